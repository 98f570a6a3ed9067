// Owns the embeddings of slots that pool their hidden states: the sum so far and, after every step
// with a row of the slot, its embedding of unit length. Invariant: a sum takes positions in their
// order, one after another in double, so it does not depend on how a prompt was cut into chunks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"

namespace fairlane {

// How the hidden states of a slot become one vector; sampling_pooling of a plan.
enum Pooling : int32_t {
  kPoolNone = 0,
  kPoolLast = 1,  // that of the last position
  kPoolMean = 2,  // the mean over all positions, which the slot computes from 0 on
};

class Embeddings {
 public:
  bool Open(int32_t slot_count, int32_t hidden, std::string* error);
  // Where embeddings go, [slots, hidden]; outlives this. Without it no slot pools.
  void Use(float* out) { out_ = out; }
  bool can_pool() const { return out_ != nullptr; }

  // Forgets what a slot has summed.
  void Clear(int32_t slot);
  // Takes the hidden states of the slot's next positions, [tokens, hidden], behind the final norm.
  void Add(int32_t slot, Pooling pooling, const float* states, int32_t tokens);

 private:
  int32_t hidden_ = 0;
  AlignedBuffer sums_;  // [slots, hidden] double
  float* out_ = nullptr;
};

}  // namespace fairlane
