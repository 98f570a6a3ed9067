// Owns which tokens each slot has seen and how often each was sampled: what penalties read. Kept
// only for slots that have a penalty. Invariant: a slot's list holds each token once; its hash
// index finds exactly those.
#pragma once

#include <cstdint>
#include <string>

#include "core/aligned_buffer.h"
#include "ops/sample_token.h"

namespace fairlane {

struct TokenHistoryOptions {
  int32_t slot_count;
  int32_t context;
};

class TokenHistory {
 public:
  // Reserves room for a full context in every slot; memory is taken when a slot is first used.
  bool Open(const TokenHistoryOptions& options, std::string* error);

  void Clear(int32_t slot);
  // Notes a computed token; `is_output` when it was sampled.
  void Add(int32_t slot, int32_t token, bool is_output);

  const SeenToken* tokens(int32_t slot) const {
    return tokens_.As<SeenToken>() + static_cast<size_t>(slot) * static_cast<size_t>(context_);
  }
  int32_t count(int32_t slot) const { return counts_.As<int32_t>()[slot]; }

 private:
  int32_t context_ = 0;
  uint32_t index_mask_ = 0;  // cells of a slot's index - 1; cells are a power of two
  AlignedBuffer tokens_;     // [slots, context] SeenToken
  AlignedBuffer index_;      // [slots, cells] int32: place in the list + 1, 0 = free
  AlignedBuffer counts_;     // [slots] int32
};

}  // namespace fairlane
