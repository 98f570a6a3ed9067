// The low-rank product on four floats at a time, which compilers turn into vector instructions.
#include "ops/lora.h"

#include "cpu/generic/ops.h"
#include "cpu/lora_tiles.h"
#include "ops/half.h"

namespace fairlane::generic {
namespace {

struct Lanes {
  using Vector = float __attribute__((vector_size(16)));
  static constexpr int kLanes = 4;
  static constexpr int kShrinkTokens = 1;
  static constexpr int kShrinkRanks = 4;
  static constexpr int kExpandTokens = 1;

  static Vector Zero() { return Vector{}; }
  static Vector Set(float x) { return Vector{x, x, x, x}; }
  static Vector Add(Vector a, Vector b) { return a + b; }
  static Vector MulAdd(Vector a, Vector b, Vector sum) { return sum + a * b; }
  static float ReduceAdd(Vector x) { return (x[0] + x[2]) + (x[1] + x[3]); }
  static Vector Load(const float* from) { return Vector{from[0], from[1], from[2], from[3]}; }
  static void Store(float* to, Vector x) {
    for (int i = 0; i < kLanes; ++i) to[i] = x[i];
  }
  static Vector LoadElements(const uint16_t* from) {
    return Vector{HalfToFloat(from[0]), HalfToFloat(from[1]), HalfToFloat(from[2]),
                  HalfToFloat(from[3])};
  }
  static Vector LoadElements(const int8_t* from) {
    return Vector{static_cast<float>(from[0]), static_cast<float>(from[1]),
                  static_cast<float>(from[2]), static_cast<float>(from[3])};
  }
};

}  // namespace

void LoraShrink(const LoraShrinkArgs* args, int32_t token_begin, int32_t token_end) {
  ShrinkTokens<Lanes>(*args, token_begin, token_end);
}

void LoraExpand(const LoraExpandArgs* args, const LoraPiece* piece) {
  ExpandPanels<Lanes>(*args, *piece);
}

}  // namespace fairlane::generic
