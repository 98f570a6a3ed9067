// The tables of kernels: every plug-in's own and a measured one are valid and survive their text;
// what is not a table of the plug-in is refused by name.
#include "core/tile_tables.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "core/attention_choice.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

class TextFile {
 public:
  explicit TextFile(const std::string& text)
      : path_("/tmp/fairlane_tiles_" + std::to_string(getpid())) {
    std::ofstream(path_) << text;
  }
  ~TextFile() { std::remove(path_.c_str()); }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void CheckValid(const Backend& backend, const TileTables& tables) {
  for (size_t format = 0; format < kWeightFormatCount; ++format) {
    for (int32_t left = 1; backend.tile_max[format] > 0 && left <= kTileTableTokens; ++left) {
      const int32_t tile = tables.of[format].next[left];
      CHECK(tile >= 1 && tile <= left && tile <= backend.tile_max[format]);
    }
  }
  const std::string text = TextOf(tables, backend);
  const TextFile file(text);
  TileTables read = {};
  std::string error;
  CHECK(ReadTiles(file.path(), backend, &read, &error));
  CHECK(TextOf(read, backend) == text);
}

void Refuses(const Backend& backend, const std::string& text, const char* problem) {
  const TextFile file(text);
  TileTables tables = {};
  std::string error;
  CHECK(!ReadTiles(file.path(), backend, &tables, &error));
  if (error.find(problem) == std::string::npos) Fail(__FILE__, __LINE__, error);
}

// A wish beats the table's preference, and what cannot be had is refused.
void ChoosesAttention(const Backend& backend) {
  bool is_bf16 = true;
  std::string error;
  CHECK(ChooseAttention(backend, "f32", true, &is_bf16, &error) && !is_bf16);
  CHECK(ChooseAttention(backend, "auto", false, &is_bf16, &error) && !is_bf16);
  CHECK(!ChooseAttention(backend, "f64", false, &is_bf16, &error));
  CHECK_EQ(ChooseAttention(backend, "bf16", false, &is_bf16, &error), CanAttendInBf16(backend));
  if (CanAttendInBf16(backend)) {
    CHECK(is_bf16);
  } else {
    CHECK(error.find("needs a CPU with AVX512_BF16") != std::string::npos);
    CHECK(!ShipsBf16Attention(backend));
    CHECK(!MeasureBf16Attention(backend));
  }
}

void RunAll(const Backend& backend) {
  ChoosesAttention(backend);
  CheckValid(backend, DefaultTiles(backend));
  CheckValid(backend, MeasureTiles(backend));
  const std::string head = std::string("fairlane-kernels 1\nisa ") + backend.name + "\n";
  Refuses(backend, "kernels\n", "its first line is not \"fairlane-kernels 1\"");
  Refuses(backend, "fairlane-kernels 1\nisa other\n", "the table of the plug-in \"other\"");
  Refuses(backend, "fairlane-kernels 1\n", "names no plug-in");
  Refuses(backend, head + "q5 1\n", "\"q5\" must be a format with 16 numbers");
  Refuses(backend, head + "q8 1 2 3\n", "\"q8\" must be");
  Refuses(backend, head + "attention auto\n", "attention must be f32, or bf16");
  if (!CanAttendInBf16(backend))
    Refuses(backend, head + "attention bf16\n", "attention must be f32, or bf16");
  Refuses(backend, head + "q8 2 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n", "\"q8\" must be");
  Refuses(backend, head + "q4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 99\n", "\"q4\" must be");
  std::printf("%s", TextOf(MeasureTiles(backend), backend).c_str());
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin(fairlane::test::RunAll);
  return fairlane::test::Report("tile_tables_test");
}
