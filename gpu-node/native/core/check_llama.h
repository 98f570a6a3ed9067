// Owns what a model of the Llama family must be for this engine to run it: sizes, the set of
// tensors and their shapes. Invariant: a manifest that passes has every tensor that llama.h and
// model.h read.
#pragma once

#include <string>

#include "core/manifest.h"

namespace fairlane {

// Checks sizes, the set of tensors and their shapes. False with *error naming the first tensor or
// param at fault.
bool CheckLlama(const Manifest& manifest, std::string* error);

}  // namespace fairlane
