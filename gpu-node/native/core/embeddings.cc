// See embeddings.h.
#include "core/embeddings.h"

#include <algorithm>
#include <cmath>

#include "core/limits.h"

namespace fairlane {

bool Embeddings::Open(int32_t slot_count, int32_t hidden, std::string* error) {
  hidden_ = hidden;
  const int64_t bytes = int64_t{slot_count} * hidden * static_cast<int64_t>(sizeof(double));
  // Pages of zeros cost nothing until a slot pools.
  if (bytes <= kMaxScratchBytes && sums_.Allocate(static_cast<size_t>(bytes))) return true;
  *error = "no memory for the embeddings of " + std::to_string(slot_count) + " slots";
  return false;
}

void Embeddings::Clear(int32_t slot) {
  double* sum = sums_.As<double>() + int64_t{slot} * hidden_;
  std::fill(sum, sum + hidden_, 0.0);
}

void Embeddings::Add(int32_t slot, Pooling pooling, const float* states, int32_t tokens) {
  double* sum = sums_.As<double>() + int64_t{slot} * hidden_;
  if (pooling == kPoolLast) {
    const float* last = states + int64_t{tokens - 1} * hidden_;
    std::copy(last, last + hidden_, sum);
  } else {
    for (int32_t token = 0; token < tokens; ++token) {
      const float* state = states + int64_t{token} * hidden_;
      for (int32_t i = 0; i < hidden_; ++i) sum[i] += static_cast<double>(state[i]);
    }
  }
  // The length goes, so the sum is as good as the mean.
  double square = 0.0;
  for (int32_t i = 0; i < hidden_; ++i) square += sum[i] * sum[i];
  const double scale = square > 0.0 ? 1.0 / std::sqrt(square) : 0.0;
  float* out = out_ + int64_t{slot} * hidden_;
  for (int32_t i = 0; i < hidden_; ++i) out[i] = static_cast<float>(sum[i] * scale);
}

}  // namespace fairlane
