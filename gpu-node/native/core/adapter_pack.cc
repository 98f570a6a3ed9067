// See adapter_pack.h.
#include "core/adapter_pack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <new>

#include "core/limits.h"
#include "core/tensor_rows.h"
#include "ops/half.h"

namespace fairlane {
namespace {

constexpr float kInt8Max = 127.0F;

std::string NameOf(const AdapterModuleSpec& module) {
  return "layer " + std::to_string(module.layer) + " " + kLoraModuleNames[module.module];
}

// The files of a spec, each opened once.
class SpecFiles {
 public:
  explicit SpecFiles(PackError* error) : error_(error) {}
  ~SpecFiles() {
    for (const int descriptor : descriptors_) close(descriptor);
  }
  SpecFiles(const SpecFiles&) = delete;
  SpecFiles& operator=(const SpecFiles&) = delete;

  bool Open(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
      const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (descriptor < 0) {
        *error_ = {"unreadable_file",
                   "cannot open the adapter file " + path + ": " + std::strerror(errno)};
        return false;
      }
      descriptors_.push_back(descriptor);
    }
    paths_ = &paths;
    return true;
  }

  bool Read(const AdapterTensor& tensor, std::vector<uint8_t>* bytes) {
    const auto file = static_cast<size_t>(tensor.file);
    size_t done = 0;
    while (done < bytes->size()) {
      const ssize_t count = pread(descriptors_[file], bytes->data() + done, bytes->size() - done,
                                  static_cast<off_t>(tensor.offset) + static_cast<off_t>(done));
      if (count < 0 && errno == EINTR) continue;
      if (count > 0) {
        done += static_cast<size_t>(count);
        continue;
      }
      const std::string& path = (*paths_)[file];
      if (count == 0) {
        *error_ = {"truncated_file",
                   "the adapter file " + path + " ends before byte " +
                       std::to_string(tensor.offset + static_cast<int64_t>(bytes->size()))};
      } else {
        *error_ = {"unreadable_file",
                   "cannot read the adapter file " + path + ": " + std::strerror(errno)};
      }
      return false;
    }
    return true;
  }

 private:
  PackError* error_;
  const std::vector<std::string>* paths_ = nullptr;
  std::vector<int> descriptors_;
};

// A matrix of an adapter in f32, as its tiles see it: element (rank, feature).
struct RankRows {
  const std::vector<float>* values;
  int32_t rank;
  int32_t features;
  bool is_transposed;  // stored [features, rank]

  float At(int32_t r, int32_t feature) const {
    const int64_t at =
        is_transposed ? int64_t{feature} * rank + r : int64_t{r} * features + feature;
    return (*values)[static_cast<size_t>(at)];
  }
};

// Where elements of a tile stand: features [begin, end), ranks from first_rank on.
struct TileSpan {
  int32_t first_rank;
  int32_t begin;
  int32_t end;
};

size_t ElementAt(int32_t row, int32_t feature) {
  const int32_t chunk = feature / kTileChunk;
  return static_cast<size_t>(chunk * kTileRanks + row) * kTileChunk +
         static_cast<size_t>(feature % kTileChunk);
}

void WriteF16Row(const RankRows& rows, const TileSpan& span, int32_t row, uint8_t* tile) {
  auto* elements = reinterpret_cast<uint16_t*>(tile);
  for (int32_t feature = span.begin; feature < span.end; ++feature)
    elements[ElementAt(row, feature - span.begin)] =
        FloatToHalf(rows.At(span.first_rank + row, feature));
}

void WriteInt8Row(const RankRows& rows, const TileSpan& span, int32_t row, uint8_t* tile) {
  auto* elements = reinterpret_cast<int8_t*>(tile);
  auto* scales = reinterpret_cast<float*>(tile + TileElements(span.end - span.begin));
  float largest = 0.0F;
  for (int32_t feature = span.begin; feature < span.end; ++feature)
    largest = std::max(largest, std::fabs(rows.At(span.first_rank + row, feature)));
  const float scale = largest / kInt8Max;
  // What is too small to divide by counts as zero.
  const float inverse = scale > 1e-30F ? 1.0F / scale : 0.0F;
  scales[row] = inverse > 0.0F ? scale : 0.0F;
  for (int32_t feature = span.begin; feature < span.end; ++feature) {
    const float steps = std::nearbyint(rows.At(span.first_rank + row, feature) * inverse);
    elements[ElementAt(row, feature - span.begin)] =
        static_cast<int8_t>(std::clamp(steps, -kInt8Max, kInt8Max));
  }
}

class Packer {
 public:
  Packer(const AdapterGeometry& geometry, PackError* error)
      : geometry_(geometry), files_(error), error_(error) {}

  bool Pack(const AdapterSpec& spec, PackedAdapter* packed) {
    std::vector<AdapterModuleSpec> modules = spec.modules;
    std::sort(modules.begin(), modules.end(), [](const auto& a, const auto& b) {
      return a.layer != b.layer ? a.layer < b.layer : a.module < b.module;
    });
    if (!Check(spec, modules) || !files_.Open(spec.paths) || !Place(modules, packed)) return false;
    for (const AdapterModuleSpec& module : modules) {
      const int32_t inputs = InputWidth(geometry_.params, module.module);
      const int32_t outputs = OutputWidth(geometry_.params, module.module);
      if (!PackMatrix(module, module.a, {&values_, module.rank, inputs, false}, packed) ||
          !PackMatrix(module, module.b, {&values_, module.rank, outputs, true}, packed)) {
        return false;
      }
    }
    return true;
  }

 private:
  bool Fail(const char* code, const std::string& message) {
    *error_ = {code, message};
    return false;
  }

  bool Check(const AdapterSpec& spec, const std::vector<AdapterModuleSpec>& modules) {
    if (modules.empty()) return Fail("bad_module", "the adapter changes no module");
    const AdapterModuleSpec* before = nullptr;
    for (const AdapterModuleSpec& module : modules) {
      const bool exists = module.layer >= 0 && module.layer < geometry_.params.layers &&
                          module.module >= 0 && module.module < kLoraModules;
      if (!exists) {
        return Fail("bad_module", "module " + std::to_string(module.module) + " of layer " +
                                      std::to_string(module.layer) +
                                      " does not exist: the model has " +
                                      std::to_string(geometry_.params.layers) + " layers");
      }
      if (before != nullptr && before->layer == module.layer && before->module == module.module)
        return Fail("bad_module", NameOf(module) + " is there twice");
      before = &module;
      if (module.rank < 1 || module.rank > kLoraRankMax) {
        return Fail("bad_rank", NameOf(module) + " has rank " + std::to_string(module.rank) +
                                    ", outside 1 .. " + std::to_string(kLoraRankMax));
      }
      if (!std::isfinite(module.scaling))
        return Fail("bad_scaling", NameOf(module) + " has a scaling that is not finite");
      if (!CheckTensor(module, module.a, spec, "A", module.rank,
                       InputWidth(geometry_.params, module.module)) ||
          !CheckTensor(module, module.b, spec, "B", OutputWidth(geometry_.params, module.module),
                       module.rank)) {
        return false;
      }
    }
    return true;
  }

  bool CheckTensor(const AdapterModuleSpec& module, const AdapterTensor& tensor,
                   const AdapterSpec& spec, const char* name, int64_t rows, int64_t columns) {
    const std::string which = NameOf(module) + " " + name;
    if (tensor.rows != rows || tensor.columns != columns) {
      return Fail("wrong_shape", which + " has the shape [" + std::to_string(tensor.rows) + ", " +
                                     std::to_string(tensor.columns) + "], expected [" +
                                     std::to_string(rows) + ", " + std::to_string(columns) + "]");
    }
    if (tensor.type != TensorType::kF32 && tensor.type != TensorType::kF16 &&
        tensor.type != TensorType::kBf16) {
      return Fail("bad_dtype",
                  which + " is " + InfoOf(tensor.type).name + ", not f32, f16 or bf16");
    }
    const bool has_place = tensor.file >= 0 &&
                           static_cast<size_t>(tensor.file) < spec.paths.size() &&
                           tensor.offset >= 0;
    return has_place || Fail("unreadable_file", which + " has no place in a file");
  }

  // Writes the table and makes room for the images.
  bool Place(const std::vector<AdapterModuleSpec>& modules, PackedAdapter* packed) {
    TilePlacer placer(geometry_.page_bytes);
    std::vector<int32_t> tiles;
    packed->table.assign(kTableHeaderWords, 0);
    for (const AdapterModuleSpec& module : modules) {
      const auto first = static_cast<int32_t>(tiles.size() / kTileWords);
      packed->table.insert(packed->table.end(), {module.layer, module.module, module.rank,
                                                 std::bit_cast<int32_t>(module.scaling), first});
      for (const int32_t features : {InputWidth(geometry_.params, module.module),
                                     OutputWidth(geometry_.params, module.module)}) {
        if (!PlaceMatrix(module.rank, features, &placer, &tiles)) return false;
      }
    }
    const auto pages = static_cast<size_t>(placer.page_count());
    if (pages > kMaxAdapterBytes / geometry_.page_bytes) {
      return Fail("too_large", "the adapter needs " + std::to_string(pages) + " pages, more than " +
                                   std::to_string(kMaxAdapterBytes) + " bytes");
    }
    int32_t* header = packed->table.data();
    header[kTableVersion] = kAdapterTableVersion;
    header[kTableTileType] = geometry_.type;
    header[kTablePageBytes] = static_cast<int32_t>(geometry_.page_bytes);
    header[kTablePages] = placer.page_count();
    header[kTableModules] = static_cast<int32_t>(modules.size());
    header[kTableTiles] = static_cast<int32_t>(tiles.size() / kTileWords);
    packed->table.insert(packed->table.end(), tiles.begin(), tiles.end());
    places_ = std::move(tiles);
    packed->page_count = placer.page_count();
    packed->image_bytes = pages * geometry_.page_bytes;
    packed->images.reset(static_cast<uint8_t*>(std::calloc(packed->image_bytes, 1)));
    return packed->images != nullptr ||
           Fail("out_of_memory",
                "no memory for " + std::to_string(packed->image_bytes) + " bytes of an adapter");
  }

  bool PlaceMatrix(int32_t rank, int32_t features, TilePlacer* placer,
                   std::vector<int32_t>* tiles) {
    const int32_t block = BlockFeatures(geometry_, features);
    if (block == 0) {
      return Fail("too_large", "a page of " + std::to_string(geometry_.page_bytes) +
                                   " bytes holds no tile of an adapter");
    }
    for (int32_t i = 0; i < RankBlocks(rank); ++i) {
      for (int32_t begin = 0; begin < features; begin += block) {
        const auto place =
            placer->Next(TileBytes(geometry_.type, std::min(block, features - begin)));
        tiles->insert(tiles->end(), {place.page, place.offset});
      }
    }
    return true;
  }

  bool PackMatrix(const AdapterModuleSpec& module, const AdapterTensor& tensor,
                  const RankRows& rows, PackedAdapter* packed) {
    const auto count = static_cast<size_t>(tensor.rows * tensor.columns);
    bytes_.resize(RowBytes(tensor.type, tensor.rows * tensor.columns));
    values_.resize(count);
    if (!files_.Read(tensor, &bytes_)) return false;
    bool fits =
        ReadRowAsF32(tensor.type, bytes_.data(), static_cast<int64_t>(count), values_.data());
    if (geometry_.type == kTileF16) {
      for (const float value : values_) fits = fits && std::fabs(value) <= kHalfMax;
    }
    if (!fits)
      return Fail("not_finite", NameOf(module) + " holds a value that is not finite or beyond f16");
    const int32_t block = BlockFeatures(geometry_, rows.features);
    for (int32_t rank = 0; rank < rows.rank; rank += kTileRanks) {
      for (int32_t begin = 0; begin < rows.features; begin += block, next_tile_ += kTileWords) {
        const auto page = static_cast<size_t>(places_[next_tile_]);
        const auto offset = static_cast<size_t>(places_[next_tile_ + 1]);
        uint8_t* tile = packed->images.get() + page * geometry_.page_bytes + offset;
        WriteTile(rows, {rank, begin, std::min(begin + block, rows.features)}, tile);
      }
    }
    return true;
  }

  void WriteTile(const RankRows& rows, const TileSpan& span, uint8_t* tile) const {
    for (int32_t row = 0; row < kTileRanks && span.first_rank + row < rows.rank; ++row) {
      if (geometry_.type == kTileF16) {
        WriteF16Row(rows, span, row, tile);
      } else {
        WriteInt8Row(rows, span, row, tile);
      }
    }
  }

  const AdapterGeometry& geometry_;
  SpecFiles files_;
  PackError* error_;
  std::vector<int32_t> places_;  // of all tiles, kTileWords each
  size_t next_tile_ = 0;
  std::vector<uint8_t> bytes_;
  std::vector<float> values_;
};

}  // namespace

bool PackAdapter(const AdapterGeometry& geometry, const AdapterSpec& spec, PackedAdapter* packed,
                 PackError* error) {
  try {
    return Packer(geometry, error).Pack(spec, packed);
  } catch (const std::bad_alloc&) {
    *error = {"out_of_memory", "no memory to pack an adapter"};
    return false;
  }
}

}  // namespace fairlane
