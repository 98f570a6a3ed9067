// See llama.h.
#include "core/llama.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

namespace fairlane {
namespace {

// Tokens of one piece of row-wise work: small enough to share among threads, large enough to be
// worth waking one.
constexpr int32_t kTokensPerPiece = 4;

// Tokens of one piece of a linear layer: a multiple of all kernels' tiles, so that pieces are small
// enough to balance threads and their activations stay in a core's cache.
constexpr int32_t kTokensPerBlock = 126;
constexpr int32_t kTileTokens = 6;

// The split of a layer's tokens in blocks of nearly equal size.
struct TokenBlocks {
  int32_t count;
  int32_t tokens;  // of every block but the last

  explicit TokenBlocks(int32_t all) {
    const int32_t least = (all + kTokensPerBlock - 1) / kTokensPerBlock;
    const int32_t tiles = (all + kTileTokens - 1) / kTileTokens;
    tokens = (tiles + least - 1) / least * kTileTokens;
    count = (all + tokens - 1) / tokens;
  }
  GemmInput Input(const GemmInput& all, int32_t token, int32_t k) const {
    return {std::min(tokens, all.tokens - token), all.x + int64_t{token} * k,
            all.groups + int64_t{token} * (k / kGroup)};
  }
};

// From so many rows of one token for each thread on, a row is one piece of attention.
constexpr int32_t kRowsPerThread = 4;

// Panels that are claimed together: with few tokens a layer is bound by reading its weights, and
// longer stretches keep the memory busy; with many, single panels balance threads better.
constexpr int32_t kFewTokens = 64;
constexpr int32_t kPanelsPerRun = 3;

int32_t PanelsPerRun(int32_t tokens) { return tokens <= kFewTokens ? kPanelsPerRun : 1; }
int32_t RunCount(int32_t rows, int32_t run) { return (PanelCount(rows) + run - 1) / run; }

// Linear scaling, or Llama 3's: fast angles stay, slow ones are divided, those between are blended
// by how many turns they make within the original context.
double ScaledFrequency(double frequency, const ModelParams& p) {
  const double divided = frequency / p.rope_factor;
  if (p.rope_original_context == 0) return divided;
  const double turns = p.rope_original_context * frequency / (2.0 * std::numbers::pi);
  const double share =
      (turns - p.rope_low_frequency) / (p.rope_high_frequency - p.rope_low_frequency);
  return std::lerp(divided, frequency, std::clamp(share, 0.0, 1.0));
}

}  // namespace

Llama::Llama(const Parts& parts) : parts_(parts) {
  const ModelParams& p = parts.model->params();
  for (int32_t i = 0; i < p.head_dim / 2; ++i) {
    const double plain = std::pow(p.rope_base, -2.0 * i / p.head_dim);
    const std::vector<float>& divisors = parts.model->rope_divisors();
    const double divisor =
        divisors.empty() ? 1.0 : static_cast<double>(divisors[static_cast<size_t>(i)]);
    inverse_frequency_.push_back(ScaledFrequency(plain, p) / divisor);
  }
}

void Llama::Rotations(const StepBatch& batch) const {
  const auto half = static_cast<int32_t>(inverse_frequency_.size());
  parts_.workers->ForPieces(batch.token_count, kTokensPerPiece, [&](int32_t begin, int32_t end) {
    for (int32_t token = begin; token < end; ++token) {
      const int64_t row = int64_t{token} * half;
      for (int32_t i = 0; i < half; ++i) {
        const double angle =
            batch.position[static_cast<size_t>(token)] * inverse_frequency_[static_cast<size_t>(i)];
        parts_.activations->cosine()[row + i] = static_cast<float>(std::cos(angle));
        parts_.activations->sine()[row + i] = static_cast<float>(std::sin(angle));
      }
    }
  });
}

GemmInput Llama::NormInput(const float* x, const std::vector<float>& weight, int32_t tokens,
                           const LoraTargets* targets) const {
  const ModelParams& p = parts_.model->params();
  const Activations& a = *parts_.activations;
  const auto eps = static_cast<float>(p.rms_eps);
  const RmsNormArgs norm = {x, weight.data(), a.normed(), p.hidden, eps};
  const NormQuantizeArgs quantized = {x, weight.data(), p.hidden, eps, a.groups()};
  const bool is_f32 = parts_.model->is_f32();
  const GemmInput input = {tokens, a.normed(), a.groups()};
  parts_.workers->ForPieces(tokens, kTokensPerPiece, [&](int32_t begin, int32_t end) {
    if (is_f32) {
      parts_.backend->rms_norm(&norm, begin, end);
    } else {
      parts_.backend->norm_quantize(&quantized, begin, end);
    }
    if (targets != nullptr)
      parts_.lora->Shrink(*targets, {a.groups(), a.normed(), p.hidden}, begin, end);
  });
  return input;
}

void Llama::Shrink(const LoraTargets& targets, const GemmInput& input, int32_t k) const {
  if (!parts_.lora->Touches(targets)) return;
  parts_.workers->ForPieces(input.tokens, kTokensPerPiece, [&](int32_t begin, int32_t end) {
    parts_.lora->Shrink(targets, {input.groups, parts_.activations->normed(), k}, begin, end);
  });
}

GemmInput Llama::Input(int32_t tokens, int32_t k) const {
  const Activations& a = *parts_.activations;
  if (!parts_.model->is_f32()) {
    const QuantizeArgs args = {a.normed(), k, k, a.groups(), k / kGroup};
    parts_.workers->ForPieces(tokens, kTokensPerPiece, [&](int32_t begin, int32_t end) {
      parts_.backend->quantize_rows(&args, begin, end);
    });
  }
  return {tokens, a.normed(), a.groups()};
}

void Llama::Multiply(const Linear& linear, const GemmInput& input, const GemmOutput& output,
                     const LoraStage& stage) const {
  const TokenBlocks blocks(input.tokens);
  const int32_t run = PanelsPerRun(input.tokens);
  int32_t runs = 0;
  for (const GemmWeights& part : linear.parts) runs += RunCount(part.rows, run);
  parts_.workers->For(blocks.count * runs, [&](int32_t item) {
    const int32_t token = item / runs * blocks.tokens;
    const GemmInput block = blocks.Input(input, token, linear.k);
    float* y = output.y;
    int32_t index = item % runs;
    for (size_t i = 0; i < linear.parts.size(); ++i) {
      const GemmWeights& part = linear.parts[i];
      const int32_t part_runs = RunCount(part.rows, run);
      if (index < part_runs) {
        const int32_t begin = index * run;
        const int32_t end = std::min(begin + run, PanelCount(part.rows));
        parts_.lora->Multiply(stage, {&part,
                                      static_cast<int32_t>(i),
                                      block,
                                      y,
                                      output.stride,
                                      output.accumulate,
                                      {token, token + block.tokens, begin, end},
                                      item,
                                      blocks.count * runs});
        return;
      }
      index -= part_runs;
      y += part.rows;
    }
  });
}

void Llama::PlaceHeads(const StepBatch& batch, int32_t layer_number) const {
  const ModelParams& p = parts_.model->params();
  const LayerWeights& layer = parts_.model->layers()[static_cast<size_t>(layer_number)];
  const Backend& backend = *parts_.backend;
  const Activations& a = *parts_.activations;
  float* const qkv = a.qkv();
  float* const k = qkv + int64_t{p.heads} * p.head_dim;
  float* const v = k + int64_t{p.kv_heads} * p.head_dim;
  const int32_t width = (p.heads + 2 * p.kv_heads) * p.head_dim;
  const auto eps = static_cast<float>(p.rms_eps);
  const AddBiasArgs bias = {qkv, layer.qkv_bias.data(), width};
  const HeadNormArgs q_norm = {qkv, width, p.heads, p.head_dim, layer.q_norm.data(), eps};
  const HeadNormArgs k_norm = {k, width, p.kv_heads, p.head_dim, layer.k_norm.data(), eps};
  // Query and key heads lie side by side, so one call turns both.
  const RopeArgs rope = {qkv, width, p.heads + p.kv_heads, p.head_dim, a.cosine(), a.sine()};
  const auto [group_index, layer_index] = parts_.kv_groups->layer(layer_number);
  const GroupBatch& places = batch.groups[group_index];
  const AppendKvArgs append = {parts_.kv_groups->group(group_index).shape,
                               layer_index,
                               k,
                               v,
                               width,
                               places.page.data(),
                               places.page_offset.data()};
  parts_.workers->ForPieces(batch.token_count, kTokensPerPiece, [&](int32_t begin, int32_t end) {
    if (!layer.qkv_bias.empty()) backend.add_bias(&bias, begin, end);
    if (!layer.q_norm.empty()) {
      backend.head_norm(&q_norm, begin, end);
      backend.head_norm(&k_norm, begin, end);
    }
    backend.rope(&rope, begin, end);
    backend.append_kv(&append, begin, end);
  });
}

GemmInput Llama::Attention(const StepBatch& batch, int32_t layer) const {
  const ModelParams& p = parts_.model->params();
  const Backend& backend = *parts_.backend;
  const Activations& a = *parts_.activations;
  const auto [group_index, layer_index] = parts_.kv_groups->layer(layer);
  const KvGroup& group = parts_.kv_groups->group(group_index);
  const GroupBatch& places = batch.groups[group_index];
  const AttentionArgs args = {group.shape,
                              layer_index,
                              group.window,
                              p.heads,
                              a.qkv(),
                              (int64_t{p.heads} + 2 * int64_t{p.kv_heads}) * p.head_dim,
                              a.normed(),
                              batch.position.data(),
                              places.rows.data(),
                              batch.blocks(),
                              batch.runs(),
                              batch.items()};
  const int32_t width = p.heads * p.head_dim;
  const int32_t item_width = width / p.kv_heads;  // of the query heads that share a KV head
  const bool quantizes = !parts_.model->is_f32() && item_width % kGroup == 0;
  // The heads of a row's one token lie side by side in its pages: read as one stretch, unless that
  // leaves threads without work.
  const bool decodes = batch.row_count == batch.token_count &&
                       batch.row_count >= kRowsPerThread * parts_.workers->thread_count();
  const int32_t piece = decodes ? p.kv_heads : 1;
  parts_.workers->ForPieces(batch.item_count, piece, [&](int32_t begin, int32_t end) {
    parts_.attention(&args, begin, end);
    for (int32_t index = begin; quantizes && index < end; ++index) {
      const AttentionItem& item = batch.items()[index];
      const int32_t column = item.kv_head * item_width;
      const QuantizeArgs quantize = {a.normed() + column, width, item_width,
                                     a.groups() + column / kGroup, width / kGroup};
      const int32_t token =
          places.rows[static_cast<size_t>(item.row)].token_begin + item.token_begin;
      backend.quantize_rows(&quantize, token, token + item.token_count);
    }
  });
  if (quantizes) return {batch.token_count, a.normed(), a.groups()};
  return Input(batch.token_count, width);
}

GemmInput Llama::GateUp(int32_t layer_number, int32_t tokens) const {
  const ModelParams& p = parts_.model->params();
  const LayerWeights& layer = parts_.model->layers()[static_cast<size_t>(layer_number)];
  const Activations& a = *parts_.activations;
  const Backend& backend = *parts_.backend;
  const int64_t stride = 2 * int64_t{p.ffn};
  const LoraTargets targets = {layer_number, kLoraGate, 2};
  const LoraStage stage = {targets, {layer_number, kLoraDown, 1}};
  const GemmInput input = NormInput(a.hidden(), layer.ffn_norm, tokens, &targets);
  if (parts_.model->is_f32()) {
    Multiply(layer.gate_up, input, {a.gate_up(), stride, false}, stage);
    const SiluMulArgs silu = {a.gate_up(), a.normed(), p.ffn};
    parts_.workers->ForPieces(input.tokens, kTokensPerPiece, [&](int32_t begin, int32_t end) {
      backend.silu_mul(&silu, begin, end);
    });
    return {input.tokens, a.normed(), a.groups()};
  }
  // The same panel of gate and of up gives one group of every token, which is quantised while its
  // values are at hand. The input's groups are still read meanwhile, so it goes elsewhere.
  const TokenBlocks blocks(input.tokens);
  const int32_t groups = p.ffn / kGroup;  // a group is what one panel gives of a token
  const int32_t run = PanelsPerRun(input.tokens);
  const int32_t runs = RunCount(p.ffn, run);
  parts_.workers->For(blocks.count * runs, [&](int32_t item) {
    const int32_t token = item / runs * blocks.tokens;
    const int32_t begin = item % runs * run;
    const int32_t end = std::min(begin + run, groups);
    const GemmInput block = blocks.Input(input, token, p.hidden);
    for (int32_t part = 0; part < 2; ++part) {
      parts_.lora->Multiply(stage, {&layer.gate_up.parts[static_cast<size_t>(part)],
                                    part,
                                    block,
                                    a.gate_up() + part * p.ffn,
                                    stride,
                                    false,
                                    {token, token + block.tokens, begin, end},
                                    2 * item + part,
                                    2 * blocks.count * runs});
    }
    const float* const gate = a.gate_up() + token * stride;
    const SiluQuantizeArgs silu = {gate + begin * kPanelRows,
                                   gate + p.ffn + begin * kPanelRows,
                                   stride,
                                   (end - begin) * kGroup,
                                   a.gated_groups() + int64_t{token} * groups + begin,
                                   groups};
    backend.silu_quantize(&silu, 0, block.tokens);
  });
  return {input.tokens, a.normed(), a.gated_groups()};
}

void Llama::FeedForward(int32_t layer_number, int32_t tokens) const {
  const ModelParams& p = parts_.model->params();
  const Activations& a = *parts_.activations;
  const LoraTargets targets = {layer_number, kLoraDown, 1};
  const LoraTargets next = {layer_number + 1, kLoraQ, layer_number + 1 < p.layers ? 3 : 0};
  const GemmInput gated = GateUp(layer_number, tokens);
  Shrink(targets, gated, p.ffn);
  Multiply(parts_.model->layers()[static_cast<size_t>(layer_number)].down, gated,
           {a.hidden(), p.hidden, true}, {targets, next});
}

void Llama::Forward(const StepBatch& batch) const {
  const ModelParams& p = parts_.model->params();
  const Activations& a = *parts_.activations;
  const int32_t tokens = batch.token_count;
  const int64_t qkv_stride = (int64_t{p.heads} + 2 * int64_t{p.kv_heads}) * p.head_dim;
  const EmbedTokensArgs embed = {&parts_.model->embedding(), batch.token.data(), a.hidden()};
  parts_.workers->ForPieces(tokens, kTokensPerPiece, [&](int32_t begin, int32_t end) {
    parts_.backend->embed_tokens(&embed, begin, end);
  });
  Rotations(batch);
  parts_.lora->Begin(&batch);
  for (int32_t i = 0; i < p.layers; ++i) {
    const LayerWeights& layer = parts_.model->layers()[static_cast<size_t>(i)];
    const LoraTargets qkv = {i, kLoraQ, 3};
    const LoraTargets o = {i, kLoraO, 1};
    const GemmInput input = NormInput(a.hidden(), layer.attention_norm, tokens, &qkv);
    Multiply(layer.qkv, input, {a.qkv(), qkv_stride, false}, {qkv, o});
    PlaceHeads(batch, i);
    const GemmInput attended = Attention(batch, i);
    Shrink(o, attended, p.heads * p.head_dim);
    Multiply(layer.o, attended, {a.hidden(), p.hidden, true}, {o, {i, kLoraGate, 2}});
    FeedForward(i, tokens);
  }
}

const float* Llama::FinalStates(int32_t first, int32_t count) const {
  const ModelParams& p = parts_.model->params();
  const Activations& a = *parts_.activations;
  const RmsNormArgs norm = {a.hidden() + int64_t{first} * p.hidden,
                            parts_.model->output_norm().data(), a.normed(), p.hidden,
                            static_cast<float>(p.rms_eps)};
  parts_.workers->ForPieces(count, kTokensPerPiece, [&](int32_t begin, int32_t end) {
    parts_.backend->rms_norm(&norm, begin, end);
  });
  return a.normed();
}

void Llama::Logits(const int32_t* tokens, int32_t count) const {
  if (count == 0) return;
  const ModelParams& p = parts_.model->params();
  const Activations& a = *parts_.activations;
  for (int32_t i = 0; i < count; ++i) {
    std::memcpy(a.gathered() + int64_t{i} * p.hidden, a.hidden() + int64_t{tokens[i]} * p.hidden,
                static_cast<size_t>(p.hidden) * sizeof(float));
  }
  const GemmInput input = NormInput(a.gathered(), parts_.model->output_norm(), count, nullptr);
  Multiply(parts_.model->output(), input, {a.logits(), p.vocab, false}, {});
}

}  // namespace fairlane
