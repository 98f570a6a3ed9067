// See tile_tables.h.
#include "core/tile_tables.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/attention_choice.h"
#include "core/limits.h"

namespace fairlane {
namespace {

constexpr char kTitle[] = "fairlane-kernels 1";
constexpr const char* kFormatNames[kWeightFormatCount] = {"f32", "q8", "q4"};
// What is timed: weights that stay in a core's cache, as those of a panel do while tiles go by.
constexpr int32_t kTimedRows = 8 * kPanelRows;
constexpr int32_t kTimedInputs = 576;
constexpr int32_t kTimedRounds = 40;
constexpr int32_t kTimedRepeats = 4;
static_assert(kTimedInputs % kGroup == 0);

// A matrix of constant weights, and activations for the widest tile: speed does not depend on the
// values.
class Sample {
 public:
  bool Open(const Backend& backend, WeightFormat format) {
    const size_t bytes = backend.packed_bytes(format, kTimedRows, kTimedInputs);
    const auto tokens = static_cast<size_t>(backend.tile_max[format]);
    groups_.resize(tokens * (kTimedInputs / kGroup));
    y_.resize(tokens * kTimedRows);
    if (!data_.Allocate(bytes)) return false;
    weights_ = {format, kTimedRows, kTimedInputs, data_.As<uint8_t>(), nullptr};
    const std::vector<Q8Group> row(kTimedInputs / kGroup);  // larger than the groups of Q4
    const void* rows[kPanelRows];
    std::fill_n(rows, kPanelRows, row.data());
    for (int32_t panel = 0; panel < PanelCount(kTimedRows); ++panel)
      backend.pack_panel(&weights_, panel, rows);
    return true;
  }

  double Seconds(const Backend& backend, int32_t tokens) {
    TileTable tiles = {};
    for (int32_t left = 1; left <= kTileTableTokens; ++left)
      tiles.next[left] = static_cast<uint8_t>(std::min(left, tokens));
    weights_.tiles = &tiles;
    const GemmInput input = {tokens, nullptr, groups_.data()};
    const GemmOutput output = {y_.data(), kTimedRows, false};
    const auto start = std::chrono::steady_clock::now();
    for (int32_t i = 0; i < kTimedRepeats; ++i)
      backend.gemm(&weights_, &input, &output, 0, PanelCount(kTimedRows));
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  AlignedBuffer data_;
  GemmWeights weights_ = {};
  std::vector<ActivationGroup> groups_;
  std::vector<float> y_;
};

// The cheapest sequence of tiles for each number of tokens; where more are left, the best rate.
TileTable Cheapest(const std::vector<double>& seconds) {
  const auto widest = static_cast<int32_t>(seconds.size()) - 1;
  TileTable table = {};
  std::array<double, kTileTableTokens + 1> best = {};
  for (int32_t left = 1; left <= kTileTableTokens; ++left) {
    best[static_cast<size_t>(left)] = 1e30;
    for (int32_t tile = std::min(left, widest); tile >= 1; --tile) {
      const double cost =
          seconds[static_cast<size_t>(tile)] + best[static_cast<size_t>(left - tile)];
      if (cost >= best[static_cast<size_t>(left)]) continue;
      best[static_cast<size_t>(left)] = cost;
      table.next[left] = static_cast<uint8_t>(tile);
    }
  }
  int32_t fastest = 1;
  for (int32_t tile = 2; tile <= widest; ++tile) {
    const auto rate = [&](int32_t n) { return seconds[static_cast<size_t>(n)] / n; };
    if (rate(tile) <= rate(fastest)) fastest = tile;
  }
  table.next[kTileTableTokens] = static_cast<uint8_t>(fastest);
  return table;
}

bool ReadTable(std::istringstream* words, int32_t tile_max, TileTable* table) {
  for (int32_t left = 1; left <= kTileTableTokens; ++left) {
    int32_t tile = 0;
    if (!(*words >> tile) || tile < 1 || tile > std::min(left, tile_max)) return false;
    table->next[left] = static_cast<uint8_t>(tile);
  }
  std::string more;
  return !(*words >> more);
}

}  // namespace

TileTables DefaultTiles(const Backend& backend) {
  TileTables tables = {};
  std::copy_n(backend.tiles, kWeightFormatCount, tables.of);
  tables.prefers_bf16_attention = ShipsBf16Attention(backend);
  return tables;
}

bool ReadTiles(const std::string& path, const Backend& backend, TileTables* tables,
               std::string* error) {
  *tables = DefaultTiles(backend);
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line != kTitle) {
    *error = path + " is no table of kernels: its first line is not \"" + kTitle + "\"";
    return false;
  }
  bool has_isa = false;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name == "isa") {
      std::string isa;
      words >> isa;
      has_isa = isa == backend.name;
      if (has_isa) continue;
      *error = path + " is the table of the plug-in \"" + isa + "\", not of " + backend.name;
      return false;
    }
    if (name == "attention") {
      std::string wish;
      words >> wish;
      tables->prefers_bf16_attention = wish == "bf16";
      if (wish == "f32" || (wish == "bf16" && CanAttendInBf16(backend))) continue;
      *error = path + ": attention must be f32, or bf16 where CPU and plug-in have it, not \"" +
               wish + "\"";
      return false;
    }
    const auto* const format = std::find(kFormatNames, kFormatNames + kWeightFormatCount, name);
    const auto index = static_cast<size_t>(format - kFormatNames);
    if (index < kWeightFormatCount &&
        ReadTable(&words, backend.tile_max[index], &tables->of[index]))
      continue;
    *error = path + ": \"" + name + "\" must be a format with " + std::to_string(kTileTableTokens) +
             " numbers, each at most its place and the plug-in's widest tile";
    return false;
  }
  if (!has_isa) *error = path + " names no plug-in (line isa)";
  return has_isa;
}

std::string TextOf(const TileTables& tables, const Backend& backend) {
  std::string text = std::string(kTitle) + "\nisa " + backend.name + "\nattention " +
                     (tables.prefers_bf16_attention ? "bf16" : "f32") + "\n";
  for (size_t format = 0; format < kWeightFormatCount; ++format) {
    if (backend.tile_max[format] == 0) continue;
    text += kFormatNames[format];
    for (int32_t left = 1; left <= kTileTableTokens; ++left)
      text += " " + std::to_string(tables.of[format].next[left]);
    text += "\n";
  }
  return text;
}

TileTables MeasureTiles(const Backend& backend) {
  TileTables tables = DefaultTiles(backend);
  tables.prefers_bf16_attention = MeasureBf16Attention(backend);
  for (const WeightFormat format : {kWeightQ8, kWeightQ4}) {
    Sample sample;
    if (!sample.Open(backend, format)) continue;
    std::vector<double> seconds(static_cast<size_t>(backend.tile_max[format]) + 1, 1e30);
    // In turns, so that what disturbs one tile disturbs all; the best is what counts.
    for (int32_t round = 0; round < kTimedRounds; ++round) {
      for (int32_t tile = 1; tile <= backend.tile_max[format]; ++tile) {
        double& best = seconds[static_cast<size_t>(tile)];
        best = std::min(best, sample.Seconds(backend, tile));
      }
    }
    tables.of[format] = Cheapest(seconds);
  }
  return tables;
}

}  // namespace fairlane
