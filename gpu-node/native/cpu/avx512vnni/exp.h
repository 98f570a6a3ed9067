// Owns exp on 16 floats: 2^n times a polynomial of degree 6 on [-ln 2 / 2, ln 2 / 2], relative
// error below 2e-7. Inputs below -87.3 give 0, above 88.7 infinity; NaN stays NaN.
#pragma once

#include <immintrin.h>

namespace fairlane::avx512vnni {

inline __m512 Exp(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504F)), 0);
  // ln 2 in two parts, so that x - n ln 2 keeps its last bits.
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145751953125F), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6F), r);
  __m512 p = _mm512_set1_ps(1.0F / 720.0F);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 120.0F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 24.0F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 6.0F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
  const __m512 result = _mm512_scalef_ps(p, n);
  // Minus infinity makes r a NaN; it and everything below the range is 0.
  const __mmask16 small = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.3F), _CMP_LT_OQ);
  return _mm512_mask_mov_ps(result, small, _mm512_setzero_ps());
}

}  // namespace fairlane::avx512vnni
