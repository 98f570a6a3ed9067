// See model.h. Loading runs in two passes: the first lists the matrices and sizes one arena, the
// second packs panel by panel on all threads.
#include "core/model.h"

#include <atomic>
#include <memory>

#include "core/model_files.h"
#include "core/tensor_rows.h"

namespace fairlane {
namespace {

constexpr size_t kArenaAlignBytes = 64;

// One matrix to pack.
struct PackJob {
  const TensorInfo* tensor;
  GemmWeights* target;
  bool interleaved;  // rows of each head are stored as rotary pairs side by side
};

class Loader {
 public:
  Loader(const Manifest& manifest, const Backend& backend, const Workers& workers,
         const TileTables& tiles, std::string* error)
      : manifest_(manifest), backend_(backend), workers_(workers), tiles_(tiles), error_(error) {}

  bool OpenFiles() { return files_.Open(manifest_, error_); }

  // Lists a matrix; its GemmWeights lives in `linear`, which must not move until Pack is done.
  bool Add(const std::string& name, bool as_f32, Linear* linear, bool interleaved = false) {
    const TensorInfo* tensor = TensorOf(name);
    if (tensor == nullptr) return false;
    const WeightFormat format = as_f32 ? kWeightF32 : Int8FormatOf(tensor->type);
    linear->k = static_cast<int32_t>(tensor->dims[1]);
    linear->parts.push_back(
        {format, static_cast<int32_t>(tensor->dims[0]), linear->k, nullptr, &tiles_.of[format]});
    names_.push_back({tensor, linear, linear->parts.size() - 1, interleaved});
    return true;
  }

  // Appends a vector's values.
  bool ReadVector(const std::string& name, std::vector<float>* values) {
    const TensorInfo* tensor = TensorOf(name);
    if (tensor == nullptr) return false;
    const size_t before = values->size();
    values->resize(before + static_cast<size_t>(tensor->dims[0]));
    return ReadRowAsF32(tensor->type, files_.DataOf(*tensor), tensor->dims[0],
                        values->data() + before) ||
           NotFinite(*tensor);
  }

  // The same where the architecture has such a vector.
  bool ReadVectorIfThere(const std::string& name, std::vector<float>* values) {
    return manifest_.Find(name) == nullptr || ReadVector(name, values);
  }

  bool Pack(AlignedBuffer* arena) {
    size_t bytes = 0;
    std::vector<size_t> offsets;
    for (const Listed& listed : names_) {
      const GemmWeights& part = listed.linear->parts[listed.part];
      const size_t packed = backend_.packed_bytes(part.format, part.rows, part.k);
      offsets.push_back(bytes);
      bytes += (packed + kArenaAlignBytes - 1) / kArenaAlignBytes * kArenaAlignBytes;
    }
    if (!arena->Allocate(bytes)) {
      *error_ = "no memory for " + std::to_string(bytes) + " bytes of weights";
      return false;
    }
    for (size_t i = 0; i < names_.size(); ++i) {
      GemmWeights* part = &names_[i].linear->parts[names_[i].part];
      part->data = arena->As<uint8_t>() + offsets[i];
      if (!PackMatrix({names_[i].tensor, part, names_[i].interleaved})) return false;
    }
    return true;
  }

 private:
  struct Listed {
    const TensorInfo* tensor;
    Linear* linear;
    size_t part;
    bool interleaved;
  };

  bool NotFinite(const TensorInfo& tensor) {
    *error_ =
        "tensor " + tensor.name + " holds a value that is not finite: the model file is corrupt";
    return false;
  }

  const TensorInfo* TensorOf(const std::string& name) {
    const TensorInfo* tensor = manifest_.Find(name);
    if (tensor == nullptr) {
      *error_ = "tensor " + name + " is missing";
      return nullptr;
    }
    return tensor;
  }

  // Where output row `row` stands in the file. Interleaved heads hold pair i's halves in rows 2 i
  // and 2 i + 1; half-split order wants them at i and i + head_dim / 2.
  int64_t SourceRow(const PackJob& job, int64_t row) const {
    if (!job.interleaved) return row;
    const int64_t dim = manifest_.params.head_dim;
    const int64_t in_head = row % dim;
    const int64_t half = dim / 2;
    return row - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
  }

  bool PackMatrix(const PackJob& job) {
    const GemmWeights& target = *job.target;
    const size_t row_bytes = RowBytes(job.tensor->type, target.k);
    const size_t canonical_bytes = CanonicalRowBytes(target.format, target.k);
    const uint8_t* data = files_.DataOf(*job.tensor);
    std::atomic<bool> finite{true};
    workers_.For(PanelCount(target.rows), [&](int32_t panel) {
      const auto rows = std::make_unique<uint8_t[]>(canonical_bytes * kPanelRows);
      const auto scratch = std::make_unique<float[]>(static_cast<size_t>(target.k));
      const void* pointers[kPanelRows] = {};
      for (int32_t i = 0; i < kPanelRows && panel * kPanelRows + i < target.rows; ++i) {
        uint8_t* row = rows.get() + static_cast<size_t>(i) * canonical_bytes;
        const uint8_t* source =
            data + static_cast<size_t>(SourceRow(job, int64_t{panel} * kPanelRows + i)) * row_bytes;
        const bool ok =
            target.format == kWeightF32
                ? ReadRowAsF32(job.tensor->type, source, target.k, reinterpret_cast<float*>(row))
                : ReadRowCanonical(job.tensor->type, source, target.k, row, scratch.get());
        if (!ok) finite.store(false, std::memory_order_relaxed);
        pointers[i] = row;
      }
      backend_.pack_panel(&target, panel, pointers);
    });
    return finite.load() || NotFinite(*job.tensor);
  }

  const Manifest& manifest_;
  const Backend& backend_;
  const Workers& workers_;
  const TileTables& tiles_;
  std::string* error_;
  ModelFiles files_;
  std::vector<Listed> names_;
};

}  // namespace

bool Model::Load(const Manifest& manifest, const Backend& backend, const Workers& workers,
                 bool as_f32, std::string* error) {
  params_ = manifest.params;
  is_f32_ = as_f32;
  Loader loader(manifest, backend, workers, tiles_, error);
  if (!loader.OpenFiles()) return false;
  if (!loader.Add("token_embedding", as_f32, &embedding_)) return false;
  if (manifest.Find("output") != nullptr && !loader.Add("output", as_f32, &output_)) return false;
  if (!loader.ReadVector("output_norm", &output_norm_)) return false;
  if (!loader.ReadVectorIfThere("rope_divisors", &rope_divisors_)) return false;
  for (const float divisor : rope_divisors_) {
    if (divisor > 0) continue;
    *error = "tensor rope_divisors holds a value that is not positive: the model file is corrupt";
    return false;
  }
  layers_.resize(static_cast<size_t>(params_.layers));
  const bool interleaved = params_.qk_interleaved;
  for (int32_t i = 0; i < params_.layers; ++i) {
    LayerWeights* layer = &layers_[static_cast<size_t>(i)];
    const std::string prefix = "layers." + std::to_string(i) + ".";
    const bool added = loader.ReadVector(prefix + "attention_norm", &layer->attention_norm) &&
                       loader.ReadVector(prefix + "ffn_norm", &layer->ffn_norm) &&
                       loader.ReadVectorIfThere(prefix + "q_bias", &layer->qkv_bias) &&
                       loader.ReadVectorIfThere(prefix + "k_bias", &layer->qkv_bias) &&
                       loader.ReadVectorIfThere(prefix + "v_bias", &layer->qkv_bias) &&
                       loader.ReadVectorIfThere(prefix + "q_norm", &layer->q_norm) &&
                       loader.ReadVectorIfThere(prefix + "k_norm", &layer->k_norm) &&
                       loader.Add(prefix + "q", as_f32, &layer->qkv, interleaved) &&
                       loader.Add(prefix + "k", as_f32, &layer->qkv, interleaved) &&
                       loader.Add(prefix + "v", as_f32, &layer->qkv) &&
                       loader.Add(prefix + "o", as_f32, &layer->o) &&
                       loader.Add(prefix + "gate", as_f32, &layer->gate_up) &&
                       loader.Add(prefix + "up", as_f32, &layer->gate_up) &&
                       loader.Add(prefix + "down", as_f32, &layer->down);
    if (!added) return false;
  }
  return loader.Pack(&arena_);
}

}  // namespace fairlane
