// Owns the weights of an opened model in the backend's packed form, and nothing of how they are
// used (llama.h). Invariant: after Load every matrix and norm is set and the model files are no
// longer needed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/manifest.h"
#include "core/parallel_for.h"
#include "core/tile_tables.h"
#include "ops/backend.h"

namespace fairlane {

// Up to three matrices with the same input, used as one: q, k, v and gate, up. Output columns
// follow each other.
struct Linear {
  std::vector<GemmWeights> parts;
  int32_t k = 0;

  int32_t rows() const {
    int32_t rows = 0;
    for (const GemmWeights& part : parts) rows += part.rows;
    return rows;
  }
};

struct LayerWeights {
  std::vector<float> attention_norm;
  std::vector<float> ffn_norm;
  std::vector<float> qkv_bias;  // as wide as qkv's output; empty where the architecture has none
  std::vector<float> q_norm;    // [head_dim], for every query head; empty likewise
  std::vector<float> k_norm;    // [head_dim], for every key head; empty likewise
  Linear qkv;
  Linear o;
  Linear gate_up;
  Linear down;
};

class Model {
 public:
  // Which kernels serve how many tokens; before Load.
  void UseTiles(const TileTables& tiles) { tiles_ = tiles; }
  // Reads all tensors of a manifest that CheckLlama accepted. False with *error set on failure.
  bool Load(const Manifest& manifest, const Backend& backend, const Workers& workers, bool as_f32,
            std::string* error);

  const ModelParams& params() const { return params_; }
  bool is_f32() const { return is_f32_; }
  const std::vector<LayerWeights>& layers() const { return layers_; }
  // [head_dim / 2], what each rotary frequency is divided by; empty: nothing.
  const std::vector<float>& rope_divisors() const { return rope_divisors_; }
  const std::vector<float>& output_norm() const { return output_norm_; }
  const GemmWeights& embedding() const { return embedding_.parts[0]; }
  const Linear& output() const { return output_.parts.empty() ? embedding_ : output_; }

 private:
  ModelParams params_;
  TileTables tiles_ = {};
  bool is_f32_ = false;
  std::vector<LayerWeights> layers_;
  std::vector<float> output_norm_;
  std::vector<float> rope_divisors_;
  Linear embedding_;
  Linear output_;  // empty when tied to the embedding
  AlignedBuffer arena_;
};

}  // namespace fairlane
