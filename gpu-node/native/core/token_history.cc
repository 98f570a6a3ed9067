// See token_history.h.
#include "core/token_history.h"

#include <bit>
#include <cstring>

#include "core/limits.h"

namespace fairlane {
namespace {

uint32_t CellOf(int32_t token, uint32_t mask) {
  const uint32_t bits = static_cast<uint32_t>(token) * 0x9E3779B1U;  // 2^32 / golden ratio
  return (bits ^ (bits >> 15)) & mask;
}

}  // namespace

bool TokenHistory::Open(const TokenHistoryOptions& options, std::string* error) {
  context_ = options.context;
  const uint32_t cells = std::bit_ceil(static_cast<uint32_t>(context_) * 2);
  index_mask_ = cells - 1;
  const int64_t slots = options.slot_count;
  const int64_t token_bytes = slots * context_ * static_cast<int64_t>(sizeof(SeenToken));
  const int64_t index_bytes = slots * cells * static_cast<int64_t>(sizeof(int32_t));
  if (token_bytes > kMaxScratchBytes || index_bytes > kMaxScratchBytes ||
      !tokens_.Allocate(static_cast<size_t>(token_bytes)) ||
      !index_.Allocate(static_cast<size_t>(index_bytes)) ||
      !counts_.Allocate(static_cast<size_t>(slots) * sizeof(int32_t))) {
    *error = "no memory for the token histories of " + std::to_string(slots) + " slots";
    return false;
  }
  return true;
}

void TokenHistory::Clear(int32_t slot) {
  int32_t& count = counts_.As<int32_t>()[slot];
  if (count == 0) return;
  count = 0;
  const size_t cells = size_t{index_mask_} + 1;
  std::memset(index_.As<int32_t>() + static_cast<size_t>(slot) * cells, 0, cells * sizeof(int32_t));
}

void TokenHistory::Add(int32_t slot, int32_t token, bool is_output) {
  auto* list = tokens_.As<SeenToken>() + static_cast<size_t>(slot) * static_cast<size_t>(context_);
  auto* index = index_.As<int32_t>() + static_cast<size_t>(slot) * (size_t{index_mask_} + 1);
  uint32_t cell = CellOf(token, index_mask_);
  while (index[cell] != 0 && list[index[cell] - 1].token != token) cell = (cell + 1) & index_mask_;
  if (index[cell] == 0) {
    int32_t& count = counts_.As<int32_t>()[slot];
    list[count++] = {token, 0};
    index[cell] = count;
  }
  if (is_output) ++list[index[cell] - 1].outputs;
}

}  // namespace fairlane
