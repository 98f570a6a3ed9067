// append_kv and paged_attention of every plug-in: against double arithmetic on rounded keys and
// values, and bit by bit the same for shuffled pages, shifted page offsets, gaps, chunks, stale
// page content and blocks that a window leaves out.
#include "ops/paged_attention.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/attention_choice.h"
#include "ops/half.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

struct Scene {
  KvShape shape;
  int32_t heads;
  int32_t window;
  std::vector<int32_t> positions;  // of the tokens, ascending
  std::vector<float> q;            // [tokens, heads, dim]
  std::vector<float> k;            // [tokens, kv_heads, dim]
  std::vector<float> v;

  size_t tokens() const { return positions.size(); }
};

// How the tokens are laid into pages and handed to the kernel.
struct Placement {
  int32_t first_page_offset = 0;  // position 0 of a page is this much below a multiple of 16
  bool is_shuffled = false;
  uint8_t stale_byte = 0;   // what unused page bytes hold
  int32_t chunk = 1 << 20;  // query tokens per item
  int32_t first_query = 0;  // earlier tokens only bring keys, as in an earlier step
};

Scene MakeScene(const KvShape& shape, int32_t heads, const std::vector<int32_t>& positions,
                int32_t window = 0) {
  Random random(static_cast<uint64_t>(shape.head_dim * 100 + heads));
  Scene scene = {shape, heads, window, positions, {}, {}, {}};
  const size_t dim = static_cast<size_t>(shape.head_dim);
  scene.q = random.Floats(positions.size() * static_cast<size_t>(heads) * dim);
  scene.k = random.Floats(positions.size() * static_cast<size_t>(shape.kv_heads) * dim);
  scene.v = random.Floats(positions.size() * static_cast<size_t>(shape.kv_heads) * dim);
  for (float& value : scene.q) value *= 3.0F;
  return scene;
}

struct Pages {
  std::vector<uint8_t> bytes;
  size_t page_bytes;
  uint8_t* At(size_t page) {
    auto address = reinterpret_cast<uintptr_t>(bytes.data());
    address = (address + 63) / 64 * 64;
    return reinterpret_cast<uint8_t*>(address) + page * page_bytes;
  }
};

std::vector<float> Run(const Backend& backend, const Scene& scene, const Placement& placement) {
  const KvShape& shape = scene.shape;
  const auto last = static_cast<size_t>(scene.positions.back());
  const size_t page_count = last / kPageTokens + 2;
  Pages pages = {{}, (backend.kv_page_bytes(&shape) + 63) / 64 * 64};
  pages.bytes.assign(page_count * pages.page_bytes + 64, placement.stale_byte);
  std::vector<size_t> ids(page_count);
  std::iota(ids.begin(), ids.end(), size_t{0});
  if (placement.is_shuffled) std::reverse(ids.begin(), ids.end());

  std::vector<uint8_t*> page(scene.tokens());
  std::vector<int32_t> offset(scene.tokens());
  std::vector<KvBlock> blocks;
  std::vector<KvRun> runs;
  for (size_t t = 0; t < scene.tokens(); ++t) {
    const int32_t shifted = scene.positions[t] + placement.first_page_offset;
    page[t] = pages.At(ids[static_cast<size_t>(shifted / kPageTokens)]);
    offset[t] = shifted % kPageTokens;
    const int32_t lane = scene.positions[t] % kPageTokens;
    const int32_t first_pos = scene.positions[t] - lane;
    const bool same_block = !blocks.empty() && blocks.back().first_pos == first_pos;
    const bool extends = same_block && runs.back().page == page[t] &&
                         runs.back().page_offset + runs.back().count == offset[t] &&
                         runs.back().lane + runs.back().count == lane;
    if (extends) {
      ++runs.back().count;
      continue;
    }
    if (!same_block) blocks.push_back({first_pos, static_cast<int32_t>(runs.size()), 0});
    ++blocks.back().run_count;
    runs.push_back({page[t], offset[t], lane, 1});
  }

  const int64_t kv_stride = int64_t{shape.kv_heads} * shape.head_dim;
  const int32_t layer = shape.layers - 1;
  const AppendKvArgs append = {shape,     layer,       scene.k.data(), scene.v.data(),
                               kv_stride, page.data(), offset.data()};
  backend.append_kv(&append, 0, static_cast<int32_t>(scene.tokens()));
  const int32_t first = placement.first_query;
  const auto tokens = static_cast<int32_t>(scene.tokens()) - first;
  // What no query sees is not listed, and its page is somebody else's by now.
  const int32_t first_position = scene.positions[static_cast<size_t>(first)];
  size_t passed = 0;
  if (scene.window > 0 && placement.first_page_offset == 0) {
    while (blocks[passed].first_pos + kPageTokens <= first_position - scene.window + 1) {
      std::memset(runs[static_cast<size_t>(blocks[passed].run_begin)].page, 0xFF, pages.page_bytes);
      ++passed;
    }
  }
  const AttentionRow row = {first, tokens, static_cast<int32_t>(passed),
                            static_cast<int32_t>(blocks.size() - passed)};
  std::vector<AttentionItem> items;
  for (int32_t head = 0; head < shape.kv_heads; ++head) {
    for (int32_t begin = 0; begin < tokens; begin += placement.chunk) {
      items.push_back({0, head, begin, std::min(placement.chunk, tokens - begin)});
    }
  }
  std::vector<float> out(scene.q.size(), 77.0F);
  const AttentionArgs args = {shape,          layer,
                              scene.window,   scene.heads,
                              scene.q.data(), int64_t{scene.heads} * shape.head_dim,
                              out.data(),     scene.positions.data(),
                              &row,           blocks.data(),
                              runs.data(),    items.data()};
  backend.paged_attention(&args, 0, static_cast<int32_t>(items.size()));
  return out;
}

// What a KV type keeps of the values of a token and head.
std::vector<double> Stored(const KvShape& shape, const std::vector<float>& values, size_t at) {
  std::vector<double> stored;
  float max = 0.0F;
  for (size_t d = 0; d < static_cast<size_t>(shape.head_dim); ++d)
    max = std::max(max, std::abs(values[at + d]));
  for (size_t d = 0; d < static_cast<size_t>(shape.head_dim); ++d) {
    const float value = values[at + d];
    float kept = value;
    if (shape.type == kKvInt8) {
      // In f32, as the contract has the scale, so that no near-tie falls to another level.
      kept = std::nearbyint(value * (127.0F / max));
      stored.push_back(static_cast<double>(kept) * static_cast<double>(max / 127.0F));
      continue;
    }
    if (shape.type == kKvF16) kept = HalfToFloat(FloatToHalf(value));
    stored.push_back(static_cast<double>(kept));
  }
  return stored;
}

std::vector<double> StoredAll(const KvShape& shape, const std::vector<float>& values) {
  std::vector<double> all;
  for (size_t at = 0; at < values.size(); at += static_cast<size_t>(shape.head_dim)) {
    const std::vector<double> stored = Stored(shape, values, at);
    all.insert(all.end(), stored.begin(), stored.end());
  }
  return all;
}

void CheckAgainstDouble(const Scene& scene, const std::vector<float>& out, double tolerance) {
  const KvShape& shape = scene.shape;
  const auto dim = static_cast<size_t>(shape.head_dim);
  const auto kv_heads = static_cast<size_t>(shape.kv_heads);
  const auto heads = static_cast<size_t>(scene.heads);
  const std::vector<double> k = StoredAll(shape, scene.k);
  const std::vector<double> v = StoredAll(shape, scene.v);
  for (size_t t = 0; t < scene.tokens(); ++t) {
    for (size_t h = 0; h < heads; ++h) {
      const size_t kv = h / (heads / kv_heads);
      std::vector<double> weights;
      double total = 0.0;
      for (size_t s = 0; s <= t; ++s) {
        if (scene.window > 0 && scene.positions[s] <= scene.positions[t] - scene.window) {
          weights.push_back(0.0);
          continue;
        }
        double dot = 0.0;
        for (size_t d = 0; d < dim; ++d) {
          dot += static_cast<double>(scene.q[(t * heads + h) * dim + d]) *
                 k[(s * kv_heads + kv) * dim + d];
        }
        weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(dim))));
        total += weights.back();
      }
      for (size_t d = 0; d < dim; ++d) {
        double expected = 0.0;
        for (size_t s = 0; s <= t; ++s)
          expected += weights[s] / total * v[(s * kv_heads + kv) * dim + d];
        CHECK_NEAR(static_cast<double>(out[(t * heads + h) * dim + d]), expected, tolerance);
      }
    }
  }
}

// From index `from` on.
bool SameBits(const std::vector<float>& a, const std::vector<float>& b, size_t from = 0) {
  return std::memcmp(a.data() + from, b.data() + from, (a.size() - from) * sizeof(float)) == 0;
}

void RunScene(const Backend& backend, double tolerance, const Scene& scene) {
  const std::vector<float> out = Run(backend, scene, {});
  CheckAgainstDouble(scene, out, tolerance);
  CHECK(SameBits(out, Run(backend, scene, {.is_shuffled = true})));
  CHECK(SameBits(out, Run(backend, scene, {.stale_byte = 0x7F})));  // stale halves are NaN
  CHECK(SameBits(out, Run(backend, scene, {.chunk = 1})));
  CHECK(SameBits(out, Run(backend, scene, {.is_shuffled = true, .stale_byte = 0xFF, .chunk = 5})));
  for (const int32_t shift : {1, 7, 15}) {
    CHECK(SameBits(out, Run(backend, scene, {.first_page_offset = shift, .stale_byte = 0xFF})));
  }
  const auto last = static_cast<int32_t>(scene.tokens()) - 1;
  for (const int32_t first : {last / 2, last}) {
    const auto from = static_cast<size_t>(first) * static_cast<size_t>(scene.heads) *
                      static_cast<size_t>(scene.shape.head_dim);
    CHECK(SameBits(out, Run(backend, scene, {.chunk = 7, .first_query = first}), from));
  }
}

std::vector<int32_t> Range(int32_t begin, int32_t end) {
  std::vector<int32_t> positions(static_cast<size_t>(end - begin));
  std::iota(positions.begin(), positions.end(), begin);
  return positions;
}

void RunScenes(const Backend& backend, double tolerance) {
  std::vector<int32_t> gaps = Range(0, 5);
  for (const int32_t position : Range(21, 40)) gaps.push_back(position);
  for (const int32_t position : Range(60, 62)) gaps.push_back(position);
  for (const KvType type : {kKvF16, kKvF32, kKvInt8}) {
    for (const int32_t dim : {8, 16, 24, 64, 80, 128}) {
      RunScene(backend, tolerance, MakeScene({type, 2, 2, dim}, 2, Range(0, 37)));
      RunScene(backend, tolerance, MakeScene({type, 1, 1, dim}, 3, gaps));
    }
    RunScene(backend, tolerance, MakeScene({type, 1, 3, 64}, 9, Range(3, 70)));
    RunScene(backend, tolerance, MakeScene({type, 3, 1, 256}, 1, {500}));
    for (const int32_t window : {1, 3, 16, 17, 40, 100}) {
      RunScene(backend, tolerance, MakeScene({type, 1, 2, 16}, 4, Range(0, 90), window));
      RunScene(backend, tolerance, MakeScene({type, 1, 1, 24}, 1, gaps, window));
    }
  }
}

void RunAll(const Backend& backend) {
  RunScenes(backend, 3e-6);
  const bool has_bf16 = CanAttendInBf16(backend);
  if (has_bf16) {
    Backend bf16 = backend;
    bf16.paged_attention = backend.paged_attention_bf16;
    // Eight bits of K, V and weights, which are below 1.
    RunScenes(bf16, 0x1.0p-6);
  }
  std::printf("append_kv, paged_attention on %s%s\n", backend.name,
              has_bf16 ? ", f32 and bf16" : "");
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin(fairlane::test::RunAll);
  return fairlane::test::Report("paged_attention_test");
}
