// The tables of kernels: every plug-in's own and a measured one are valid and survive their text;
// what is not a table of the plug-in is refused by name.
#include "core/tile_tables.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

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

void RunAll(const Backend& backend) {
  CheckValid(backend, DefaultTiles(backend));
  CheckValid(backend, MeasureTiles(backend));
  const std::string head = std::string("fairlane-kernels 1\nisa ") + backend.name + "\n";
  Refuses(backend, "kernels\n", "its first line is not \"fairlane-kernels 1\"");
  Refuses(backend, "fairlane-kernels 1\nisa other\n", "the table of the plug-in \"other\"");
  Refuses(backend, "fairlane-kernels 1\n", "names no plug-in");
  Refuses(backend, head + "q5 1\n", "\"q5\" must be a format with 16 numbers");
  Refuses(backend, head + "q8 1 2 3\n", "\"q8\" must be");
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
