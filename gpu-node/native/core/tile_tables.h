// Owns the tables that say which kernel of a plug-in serves how many tokens (ops/gemm.h) and which
// arithmetic attention prefers: the plug-in's own, one read from a file, or one measured here; and
// their text. Invariant: a table that leaves here is valid for its plug-in and CPU. Which kernels
// are used changes speed, never a result; attention's arithmetic is part of the numerics class.
// The idea is [FlashDecoding++] section 5: where one kernel gives way to another is measured.
//
//   fairlane-kernels 1
//   isa avx512vnni
//   attention bf16
//   q8 1 2 3 4 5 6 4 4 5 5 6 6 5 5 5 6     tokens of the next tile when 1, 2, ... 16 or more are
//   left
#pragma once

#include <string>

#include "ops/backend.h"

namespace fairlane {

struct TileTables {
  TileTable of[kWeightFormatCount];
  bool prefers_bf16_attention;  // where nobody insists (attention_choice.h)
};

TileTables DefaultTiles(const Backend& backend);
// False with *error set if the file cannot be read, is no such table, or is another plug-in's.
bool ReadTiles(const std::string& path, const Backend& backend, TileTables* tables,
               std::string* error);
std::string TextOf(const TileTables& tables, const Backend& backend);
// Times every tile of the plug-in's quantised formats and both kinds of attention on this machine,
// about a second on one thread, and takes for each number of tokens the cheapest sequence.
TileTables MeasureTiles(const Backend& backend);

}  // namespace fairlane
