// The linear layer in f32 on AVX2: 32 rows by up to 3 tokens at a time.
#include <immintrin.h>

#include "cpu/avx2/ops.h"
#include "cpu/f32_panel.h"

namespace fairlane::avx2 {
namespace {

struct Arithmetic {
  using Vector = __m256;
  static constexpr int kLanes = 8;

  static Vector Zero() { return _mm256_setzero_ps(); }
  static Vector Set(float x) { return _mm256_set1_ps(x); }
  static Vector Load(const float* from) { return _mm256_load_ps(from); }
  static Vector LoadLoose(const float* from) { return _mm256_loadu_ps(from); }
  static void Store(float* to, Vector x) { _mm256_storeu_ps(to, x); }
  static Vector Add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector MulAdd(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }
};

static_assert(F32Panels<Arithmetic>::kTileMax == kF32TileMax);

}  // namespace

void GemmF32(const GemmWeights& weights, const GemmInput& input, const GemmOutput& output,
             int32_t panel_begin, int32_t panel_end) {
  F32Panels<Arithmetic>::Run(weights, input, output, panel_begin, panel_end);
}

}  // namespace fairlane::avx2
