// See ops/move_page.h. V lies in a page as in the canonical form; K is transposed (cpu/kv_page.h).
#include "ops/move_page.h"

#include <cstring>

#include "cpu/generic/ops.h"
#include "cpu/kv_page.h"

namespace fairlane::generic {
namespace {

// [rows][columns] -> [columns][rows].
template <typename T>
void Transpose(const uint8_t* from, uint8_t* to, int32_t rows, int32_t columns) {
  const T* source = reinterpret_cast<const T*>(from);
  T* target = reinterpret_cast<T*>(to);
  for (int32_t row = 0; row < rows; ++row) {
    for (int32_t column = 0; column < columns; ++column)
      target[column * rows + row] = source[row * columns + column];
  }
}

void TransposeKeys(const KvShape& shape, const uint8_t* from, uint8_t* to, int32_t rows,
                   int32_t columns) {
  if (shape.type == kKvInt8) {
    Transpose<uint8_t>(from, to, rows, columns);
  } else if (shape.type == kKvF16) {
    Transpose<uint16_t>(from, to, rows, columns);
  } else {
    Transpose<uint32_t>(from, to, rows, columns);
  }
}

}  // namespace

void ExportPage(const KvShape* shape, const uint8_t* page, uint8_t* canonical) {
  // KeysOf and ValuesOf find places in a page; nothing is written through them here.
  auto* from = const_cast<uint8_t*>(page);
  const size_t head_bytes = KvHeadBytes(*shape);
  for (int32_t layer = 0; layer < shape->layers; ++layer) {
    for (int32_t head = 0; head < shape->kv_heads; ++head) {
      TransposeKeys(*shape, KeysOf(from, *shape, layer, head), canonical, shape->head_dim,
                    kPageTokens);
      std::memcpy(canonical + head_bytes, ValuesOf(from, *shape, layer, head), head_bytes);
      canonical += 2 * head_bytes;
    }
  }
  const size_t scale_bytes = KvScaleBytes(shape->type);
  if (scale_bytes == 0) return;
  for (int32_t layer = 0; layer < shape->layers; ++layer) {
    for (int32_t head = 0; head < shape->kv_heads; ++head, canonical += 2 * scale_bytes) {
      std::memcpy(canonical, KeyScalesOf(from, *shape, layer, head), scale_bytes);
      std::memcpy(canonical + scale_bytes, ValueScalesOf(from, *shape, layer, head), scale_bytes);
    }
  }
}

void ImportPage(const KvShape* shape, const uint8_t* canonical, uint8_t* page) {
  const size_t head_bytes = KvHeadBytes(*shape);
  for (int32_t layer = 0; layer < shape->layers; ++layer) {
    for (int32_t head = 0; head < shape->kv_heads; ++head) {
      TransposeKeys(*shape, canonical, KeysOf(page, *shape, layer, head), kPageTokens,
                    shape->head_dim);
      std::memcpy(ValuesOf(page, *shape, layer, head), canonical + head_bytes, head_bytes);
      canonical += 2 * head_bytes;
    }
  }
  const size_t scale_bytes = KvScaleBytes(shape->type);
  if (scale_bytes == 0) return;
  for (int32_t layer = 0; layer < shape->layers; ++layer) {
    for (int32_t head = 0; head < shape->kv_heads; ++head, canonical += 2 * scale_bytes) {
      std::memcpy(KeyScalesOf(page, *shape, layer, head), canonical, scale_bytes);
      std::memcpy(ValueScalesOf(page, *shape, layer, head), canonical + scale_bytes, scale_bytes);
    }
  }
}

}  // namespace fairlane::generic
