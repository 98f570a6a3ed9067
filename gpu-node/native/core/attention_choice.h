// Owns which arithmetic attention computes in, f32 or bf16: what this CPU can, which is the faster
// one by the shipped table of CPU kinds or by measurement, and what a wish comes to. The choice is
// part of the numerics class.
#pragma once

#include <string>

#include "ops/backend.h"

namespace fairlane {

// Whether the plug-in and this CPU have attention in bf16.
bool CanAttendInBf16(const Backend& backend);

// Whether it is the faster one on CPUs of this kind, as far as measured; false where it cannot be
// had and on kinds that nobody has measured.
bool ShipsBf16Attention(const Backend& backend);

// The same measured here, a fraction of a second on one thread. f32 wins a near-tie: bf16 costs
// accuracy.
bool MeasureBf16Attention(const Backend& backend);

// Comes to `prefers_bf16` with the wish "auto"; "f32" and "bf16" insist. False with *error if it
// cannot be had.
bool ChooseAttention(const Backend& backend, const std::string& wish, bool prefers_bf16,
                     bool* is_bf16, std::string* error);

}  // namespace fairlane
