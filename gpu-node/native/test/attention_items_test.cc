// Rows that begin with the same pages: which of them make one attention item, and that on every
// plug-in such an item gives each row the bits that it gets alone, reading shared blocks from the
// item's first row only.
#include "core/attention_items.h"

#include <cstring>

#include "core/attention_choice.h"
#include "ops/paged_attention.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

// How many rows each item of KV head 0 has, for rows of one token that share so many blocks with
// the row before.
std::vector<int32_t> RowCounts(const std::vector<int32_t>& shared_blocks, int32_t threads) {
  constexpr int32_t kRows = 40;
  StepBatch batch;
  std::string error;
  CHECK(batch.Open({{kRows, kRows, 1, 1, 1, 1, 1, 1}, 4, 3, 1}, &error));
  batch.row_count = static_cast<int32_t>(shared_blocks.size());
  batch.token_count = batch.row_count;
  for (size_t row = 0; row < shared_blocks.size(); ++row)
    batch.groups[0].rows[row] = {static_cast<int32_t>(row), 1, 0, 100, shared_blocks[row]};
  ListAttentionItems({3, 1, threads}, &batch);
  std::vector<int32_t> counts;
  int32_t rows = 0;
  for (int32_t i = 0; i < batch.item_count; ++i) {
    const AttentionItem& item = batch.items()[i];
    CHECK_EQ(item.kv_head, i % 3);
    CHECK_EQ(item.row, rows);
    CHECK_EQ(item.token_count, item.row_count);
    if (item.kv_head == 0) counts.push_back(item.row_count);
    if (item.kv_head == 2) rows += item.row_count;
  }
  CHECK_EQ(rows, batch.row_count);
  return counts;
}

void PutsRowsTogether() {
  using Counts = std::vector<int32_t>;
  CHECK(RowCounts({0, 0, 0}, 1) == Counts({1, 1, 1}));
  CHECK(RowCounts({0, 64, 64, 64, 0, 8, 8, 8}, 1) == Counts({4, 4}));
  // One block with the third row would cost the nine that the first two share.
  CHECK(RowCounts({0, 9, 1, 9, 0, 0}, 1) == Counts({2, 2, 1, 1}));
  // Sixteen at most, and fewer where other threads would go without.
  CHECK(RowCounts(Counts(32, 64), 2) == Counts({16, 16}));
  CHECK(RowCounts(Counts(32, 64), 16) == Counts({3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2}));
}

struct Case {
  KvShape shape;
  int32_t heads;
  int32_t window;
  int32_t prefix;              // tokens in pages that all rows begin with
  std::vector<int32_t> tails;  // own tokens of each row, the last of which asks
};

// K and V of all rows in pages, and each row's blocks with one run of a page each.
class Scene {
 public:
  Scene(const Backend& backend, const Case& what) : what_(what) {
    page_bytes_ = (backend.kv_page_bytes(&what.shape) + 63) / 64 * 64;
    const int32_t prefix_pages = what.prefix / kPageTokens;
    int32_t pages = prefix_pages;
    for (const int32_t tail : what.tails) pages += (tail + kPageTokens - 1) / kPageTokens;
    pages_.resize(static_cast<size_t>(pages) * page_bytes_ + 64, 0xFF);
    for (int32_t position = 0; position < what.prefix; ++position)
      Append(backend, PageAt(position / kPageTokens), position % kPageTokens);
    int32_t own = prefix_pages;
    for (const int32_t tail : what.tails) {
      const auto begin = static_cast<int32_t>(blocks_.size());
      for (int32_t page = 0; page < prefix_pages; ++page) List(PageAt(page), page, kPageTokens);
      for (int32_t done = 0; done < tail; done += kPageTokens, ++own) {
        const int32_t count = std::min(kPageTokens, tail - done);
        for (int32_t offset = 0; offset < count; ++offset) Append(backend, PageAt(own), offset);
        List(PageAt(own), (what.prefix + done) / kPageTokens, count);
      }
      const auto row = static_cast<int32_t>(rows_.size());
      const int32_t count = static_cast<int32_t>(blocks_.size()) - begin;
      rows_.push_back({row, 1, begin, count, row == 0 ? 0 : prefix_pages});
      position_.push_back(what.prefix + tail - 1);
    }
    q_ = random_.Floats(rows_.size() * Width());
  }

  // Whole spans of the prefix are nowhere but in the first row's list.
  void ForgetSharedPages() {
    const int32_t whole = what_.prefix / 64 * 64 / kPageTokens;
    for (size_t row = 1; row < rows_.size(); ++row) {
      for (int32_t b = 0; b < whole; ++b) {
        const KvBlock& block = blocks_[static_cast<size_t>(rows_[row].block_begin + b)];
        runs_[static_cast<size_t>(block.run_begin)].page = nullptr;
      }
    }
  }

  // Items of `together` rows, or as many as are left.
  std::vector<float> Run(const Backend& backend, int32_t together) const {
    std::vector<AttentionItem> items;
    const auto rows = static_cast<int32_t>(rows_.size());
    for (int32_t row = 0; row < rows; row += together) {
      const int32_t count = std::min(together, rows - row);
      for (int32_t head = 0; head < what_.shape.kv_heads; ++head)
        items.push_back({row, head, 0, count, count});
    }
    std::vector<float> out(q_.size(), 77.0F);
    const AttentionArgs args = {what_.shape,  what_.shape.layers - 1,
                                what_.window, what_.heads,
                                q_.data(),    static_cast<int64_t>(Width()),
                                out.data(),   position_.data(),
                                rows_.data(), blocks_.data(),
                                runs_.data(), items.data()};
    backend.paged_attention(&args, 0, static_cast<int32_t>(items.size()));
    return out;
  }

 private:
  size_t Width() const {
    return static_cast<size_t>(what_.heads) * static_cast<size_t>(what_.shape.head_dim);
  }
  uint8_t* PageAt(int32_t page) {
    const auto address = (reinterpret_cast<uintptr_t>(pages_.data()) + 63) / 64 * 64;
    return reinterpret_cast<uint8_t*>(address) + static_cast<size_t>(page) * page_bytes_;
  }
  void List(uint8_t* page, int32_t block, int32_t count) {
    blocks_.push_back({block * kPageTokens, static_cast<int32_t>(runs_.size()), 1});
    runs_.push_back({page, 0, 0, count});
  }
  void Append(const Backend& backend, uint8_t* page, int32_t offset) {
    const auto width = static_cast<int64_t>(what_.shape.kv_heads) * what_.shape.head_dim;
    const std::vector<float> k = random_.Floats(static_cast<size_t>(width));
    const std::vector<float> v = random_.Floats(static_cast<size_t>(width));
    const AppendKvArgs append = {
        what_.shape, what_.shape.layers - 1, k.data(), v.data(), width, &page, &offset};
    backend.append_kv(&append, 0, 1);
  }

  Case what_;
  Random random_{7};
  size_t page_bytes_ = 0;
  std::vector<uint8_t> pages_;
  std::vector<KvBlock> blocks_;
  std::vector<KvRun> runs_;
  std::vector<AttentionRow> rows_;
  std::vector<int32_t> position_;
  std::vector<float> q_;
};

void SameBitsTogether(const Backend& backend, const Case& what) {
  Scene scene(backend, what);
  const std::vector<float> alone = scene.Run(backend, 1);
  const auto rows = static_cast<int32_t>(what.tails.size());
  for (const int32_t together : {2, 3, rows}) {
    const std::vector<float> got = scene.Run(backend, together);
    CHECK(std::memcmp(got.data(), alone.data(), alone.size() * sizeof(float)) == 0);
  }
  scene.ForgetSharedPages();
  const std::vector<float> once = scene.Run(backend, rows);
  CHECK(std::memcmp(once.data(), alone.data(), alone.size() * sizeof(float)) == 0);
}

void RunCases(const Backend& backend) {
  std::vector<int32_t> many;
  for (int32_t row = 0; row < 16; ++row) many.push_back(1 + row * 7);
  for (const KvType type : {kKvF16, kKvF32, kKvInt8}) {
    SameBitsTogether(backend, {{type, 1, 3, 64}, 9, 0, 128, many});
    SameBitsTogether(backend, {{type, 2, 1, 24}, 2, 0, 80, {1, 70, 16, 5}});
    SameBitsTogether(backend, {{type, 1, 1, 128}, 1, 0, 48, {20, 1, 3}});
    SameBitsTogether(backend, {{type, 1, 1, 8}, 49, 0, 64, {3, 2}});
    SameBitsTogether(backend, {{type, 1, 2, 16}, 4, 40, 192, many});
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  using namespace fairlane;
  fairlane::test::PutsRowsTogether();
  fairlane::test::ForEachPlugin([](const Backend& backend) {
    test::RunCases(backend);
    if (CanAttendInBf16(backend)) {
      Backend bf16 = backend;
      bf16.paged_attention = backend.paged_attention_bf16;
      test::RunCases(bf16);
    }
    std::printf("rows together on %s\n", backend.name);
  });
  return fairlane::test::Report("attention_items_test");
}
