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

// The split of a share's tokens in blocks of nearly equal size.
struct TokenBlocks {
  int32_t count;
  int32_t begin;
  int32_t end;
  int32_t tokens;  // of every block but the last

  explicit TokenBlocks(const TokenShare& share) : begin(share.token_begin), end(share.token_end) {
    const int32_t all = end - begin;
    const int32_t least = (all + kTokensPerBlock - 1) / kTokensPerBlock;
    const int32_t tiles = (all + kTileTokens - 1) / kTileTokens;
    tokens = (tiles + least - 1) / least * kTileTokens;
    count = (all + tokens - 1) / tokens;
  }
  int32_t TokenOf(int32_t block) const { return begin + block * tokens; }
  GemmInput Input(const LayerInput& all, int32_t token, int32_t k) const {
    return {std::min(tokens, end - token), all.x + int64_t{token} * k,
            all.groups + int64_t{token} * (k / kGroup)};
  }
};

// From so many tokens for each thread on, threads compute shares of a step's tokens by themselves:
// what they write stays in their caches and they never meet. Below, a share would be too few
// tokens for what reading all weights costs.
constexpr int32_t kShareTokensMin = 32;
constexpr int32_t kShareTokens = 64;
// By which part of the work some threads may wait for others where there are no more shares than
// threads: about what sharing saves.
constexpr int32_t kUnevenPart = 8;

// From so many rows of one token for each thread on, a row is one piece of attention.
constexpr int32_t kRowsPerThread = 4;

// Panels that are claimed together: with few tokens a layer is bound by reading its weights, and
// longer stretches keep the memory busy; with many, single panels balance threads better.
constexpr int32_t kFewTokens = 64;
constexpr int32_t kPanelsPerRun = 3;
constexpr int32_t kAllPanels = 1 << 20;  // more than any matrix has

int32_t PanelsPerRun(const TokenShare& share) {
  const bool is_few = share.token_end - share.token_begin <= kFewTokens;
  return is_few && !share.is_alone() ? kPanelsPerRun : 1;
}
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

void Llama::Rotations(const TokenShare& share, const StepBatch& batch) const {
  const auto half = static_cast<int32_t>(inverse_frequency_.size());
  share.ForTokens(kTokensPerPiece, [&](int32_t begin, int32_t end) {
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

LayerInput Llama::InputOf(const TokenShare& share, int32_t k) const {
  const Activations& a = *parts_.activations;
  const int64_t spare_floats = a.normed_stride() - k;
  const int64_t spare_groups = a.group_stride() - k / kGroup;
  return {a.normed() + share.token_begin * spare_floats,
          a.groups() + share.token_begin * spare_groups};
}

LayerInput Llama::NormInput(const TokenShare& share, const float* x,
                            const std::vector<float>& weight, const LoraTargets* targets) const {
  const ModelParams& p = parts_.model->params();
  const auto eps = static_cast<float>(p.rms_eps);
  const LayerInput input = InputOf(share, p.hidden);
  const RmsNormArgs norm = {x, weight.data(), input.x, p.hidden, eps};
  const NormQuantizeArgs quantized = {x, weight.data(), p.hidden, eps, input.groups};
  const bool is_f32 = parts_.model->is_f32();
  share.ForTokens(kTokensPerPiece, [&](int32_t begin, int32_t end) {
    if (is_f32) {
      parts_.backend->rms_norm(&norm, begin, end);
    } else {
      parts_.backend->norm_quantize(&quantized, begin, end);
    }
    if (targets != nullptr)
      parts_.lora->Shrink(*targets, {input.groups, input.x, p.hidden}, begin, end);
  });
  return input;
}

void Llama::Shrink(const TokenShare& share, const LoraTargets& targets, const LayerInput& input,
                   int32_t k) const {
  if (!parts_.lora->Touches(targets)) return;
  share.ForTokens(kTokensPerPiece, [&](int32_t begin, int32_t end) {
    parts_.lora->Shrink(targets, {input.groups, InputOf(share, k).x, k}, begin, end);
  });
}

LayerInput Llama::Input(const TokenShare& share, int32_t k) const {
  const LayerInput input = InputOf(share, k);
  if (!parts_.model->is_f32()) {
    const QuantizeArgs args = {input.x, k, k, input.groups, k / kGroup};
    share.ForTokens(kTokensPerPiece, [&](int32_t begin, int32_t end) {
      parts_.backend->quantize_rows(&args, begin, end);
    });
  }
  return input;
}

void Llama::Multiply(const TokenShare& share, const Linear& linear, const LayerInput& input,
                     const GemmOutput& output, const LoraStage& stage) const {
  const TokenBlocks blocks(share);
  const int32_t run = share.is_alone() ? kAllPanels : PanelsPerRun(share);
  int32_t runs = 0;
  for (const GemmWeights& part : linear.parts) runs += RunCount(part.rows, run);
  share.workers->For(blocks.count * runs, [&](int32_t item) {
    const int32_t token = blocks.TokenOf(item / runs);
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

void Llama::PlaceHeads(const TokenShare& share, const StepBatch& batch,
                       int32_t layer_number) const {
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
  share.ForTokens(kTokensPerPiece, [&](int32_t begin, int32_t end) {
    if (!layer.qkv_bias.empty()) backend.add_bias(&bias, begin, end);
    if (!layer.q_norm.empty()) {
      backend.head_norm(&q_norm, begin, end);
      backend.head_norm(&k_norm, begin, end);
    }
    backend.rope(&rope, begin, end);
    backend.append_kv(&append, begin, end);
  });
}

LayerInput Llama::Attention(const TokenShare& share, const StepBatch& batch, int32_t layer) const {
  const ModelParams& p = parts_.model->params();
  const Backend& backend = *parts_.backend;
  const Activations& a = *parts_.activations;
  const auto [group_index, layer_index] = parts_.kv_groups->layer(layer);
  const KvGroup& group = parts_.kv_groups->group(group_index);
  const GroupBatch& places = batch.groups[group_index];
  const int32_t width = p.heads * p.head_dim;
  const LayerInput input = InputOf(share, width);
  const AttentionArgs args = {group.shape,
                              layer_index,
                              group.window,
                              p.heads,
                              a.qkv(),
                              (int64_t{p.heads} + 2 * int64_t{p.kv_heads}) * p.head_dim,
                              input.x,
                              batch.position.data(),
                              places.rows.data(),
                              batch.blocks(),
                              batch.runs(),
                              batch.items()};
  const int32_t item_width = width / p.kv_heads;  // of the query heads that share a KV head
  const bool quantizes = !parts_.model->is_f32() && item_width % kGroup == 0;
  // The heads of a row's one token lie side by side in its pages: read as one stretch, unless that
  // leaves threads without work or rows go together.
  const bool decodes = batch.row_count == batch.token_count &&
                       batch.item_count == batch.row_count * p.kv_heads &&
                       batch.row_count >= kRowsPerThread * share.workers->thread_count();
  const int32_t piece = decodes ? p.kv_heads : 1;
  const int32_t items = share.item_end - share.item_begin;
  share.workers->ForPieces(items, piece, [&](int32_t piece_begin, int32_t piece_end) {
    const int32_t begin = share.item_begin + piece_begin;
    const int32_t end = share.item_begin + piece_end;
    parts_.attention(&args, begin, end);
    for (int32_t index = begin; quantizes && index < end; ++index) {
      const AttentionItem& item = batch.items()[index];
      const int32_t column = item.kv_head * item_width;
      const QuantizeArgs quantize = {input.x + column, width, item_width,
                                     input.groups + column / kGroup, width / kGroup};
      const int32_t token =
          places.rows[static_cast<size_t>(item.row)].token_begin + item.token_begin;
      backend.quantize_rows(&quantize, token, token + item.token_count);
    }
  });
  return quantizes ? input : Input(share, width);
}

LayerInput Llama::GateUp(const TokenShare& share, int32_t layer_number) const {
  const ModelParams& p = parts_.model->params();
  const LayerWeights& layer = parts_.model->layers()[static_cast<size_t>(layer_number)];
  const Activations& a = *parts_.activations;
  const Backend& backend = *parts_.backend;
  const int64_t stride = 2 * int64_t{p.ffn};
  const LoraTargets targets = {layer_number, kLoraGate, 2};
  const LoraStage stage = {targets, {layer_number, kLoraDown, 1}};
  const LayerInput input = NormInput(share, a.hidden(), layer.ffn_norm, &targets);
  if (parts_.model->is_f32()) {
    Multiply(share, layer.gate_up, input, {a.gate_up(), stride, false}, stage);
    const SiluMulArgs silu = {a.gate_up(), a.normed(), p.ffn};
    share.ForTokens(kTokensPerPiece,
                    [&](int32_t begin, int32_t end) { backend.silu_mul(&silu, begin, end); });
    return {a.normed(), a.groups()};
  }
  // The same panel of gate and of up gives one group of every token, which is quantised while its
  // values are at hand. The input's groups are still read meanwhile, so it goes elsewhere.
  const TokenBlocks blocks(share);
  const int32_t groups = p.ffn / kGroup;  // a group is what one panel gives of a token
  const int32_t run = PanelsPerRun(share);
  const int32_t runs = RunCount(p.ffn, run);
  share.workers->For(blocks.count * runs, [&](int32_t item) {
    const int32_t token = blocks.TokenOf(item / runs);
    const int32_t begin = item % runs * run;
    const int32_t end = std::min(begin + run, groups);
    const int32_t columns = (end - begin) * kPanelRows;
    const GemmInput block = blocks.Input(input, token, p.hidden);
    // [tokens, columns] of gate, then of up, close together so that they stay in a cache.
    float* const gate =
        a.gate_up() + token * stride + 2 * int64_t{block.tokens} * begin * kPanelRows;
    float* const up = gate + int64_t{block.tokens} * columns;
    for (int32_t part = 0; part < 2; ++part) {
      float* const from = (part == 0 ? gate : up) - begin * kPanelRows;
      parts_.lora->Multiply(stage, {&layer.gate_up.parts[static_cast<size_t>(part)],
                                    part,
                                    block,
                                    from - int64_t{token} * columns,
                                    columns,
                                    false,
                                    {token, token + block.tokens, begin, end},
                                    2 * item + part,
                                    2 * blocks.count * runs});
    }
    const SiluQuantizeArgs silu = {
        gate, up, columns, columns, a.gated_groups() + int64_t{token} * groups + begin, groups};
    backend.silu_quantize(&silu, 0, block.tokens);
  });
  return {nullptr, a.gated_groups()};
}

void Llama::Embed(const TokenShare& share, const StepBatch& batch) const {
  const EmbedTokensArgs embed = {&parts_.model->embedding(), batch.token.data(),
                                 parts_.activations->hidden()};
  share.ForTokens(kTokensPerPiece, [&](int32_t begin, int32_t end) {
    parts_.backend->embed_tokens(&embed, begin, end);
  });
  Rotations(share, batch);
}

void Llama::EnterLayer(const TokenShare& share, const StepBatch& batch,
                       int32_t layer_number) const {
  const ModelParams& p = parts_.model->params();
  const Activations& a = *parts_.activations;
  const LayerWeights& layer = parts_.model->layers()[static_cast<size_t>(layer_number)];
  const int64_t stride = (int64_t{p.heads} + 2 * int64_t{p.kv_heads}) * p.head_dim;
  const LoraTargets targets = {layer_number, kLoraQ, 3};
  const LayerInput input = NormInput(share, a.hidden(), layer.attention_norm, &targets);
  const LoraStage stage = {targets, {layer_number, kLoraO, 1}};
  Multiply(share, layer.qkv, input, {a.qkv(), stride, false}, stage);
  PlaceHeads(share, batch, layer_number);
}

void Llama::LeaveLayer(const TokenShare& share, const StepBatch& batch,
                       int32_t layer_number) const {
  const ModelParams& p = parts_.model->params();
  const Activations& a = *parts_.activations;
  const LayerWeights& layer = parts_.model->layers()[static_cast<size_t>(layer_number)];
  const GemmOutput onto_hidden = {a.hidden(), p.hidden, true};
  const LoraTargets o = {layer_number, kLoraO, 1};
  const LayerInput attended = Attention(share, batch, layer_number);
  Shrink(share, o, attended, p.heads * p.head_dim);
  Multiply(share, layer.o, attended, onto_hidden, {o, {layer_number, kLoraGate, 2}});
  const LoraTargets down = {layer_number, kLoraDown, 1};
  const LoraTargets next = {layer_number + 1, kLoraQ, layer_number + 1 < p.layers ? 3 : 0};
  const LayerInput gated = GateUp(share, layer_number);
  Shrink(share, down, gated, p.ffn);
  Multiply(share, layer.down, gated, onto_hidden, {down, next});
}

int32_t Llama::ShareOut(const StepBatch& batch, TokenShare* shares) const {
  const int32_t threads = parts_.workers->thread_count();
  const int32_t tokens = batch.token_count;
  if (parts_.model->is_f32() || tokens < kShareTokensMin * threads || threads > kSharesMax)
    return 0;
  // As many as give every thread the same number, but no more than there are places.
  const int32_t rounds =
      std::max(1, std::min(tokens / (kShareTokens * threads), kSharesMax / threads));
  const int32_t least = (tokens + rounds * threads - 1) / (rounds * threads);
  const AttentionRow* rows = batch.groups[0].rows.data();
  int32_t count = 0;
  int32_t widest = 0;
  TokenShare share = {0, 0, 0, 0, &alone_};
  for (int32_t i = 0; i < batch.item_count; ++i) {
    const AttentionItem& item = batch.items()[i];
    share.token_end = rows[item.row].token_begin + item.token_begin + item.token_count;
    share.item_end = i + 1;
    const bool is_last_head = item.kv_head + 1 == parts_.model->params().kv_heads;
    const bool is_full = is_last_head && share.token_end - share.token_begin >= least;
    if (!is_full && share.token_end < tokens) continue;
    if (!is_last_head) continue;
    shares[count++] = share;
    widest = std::max(widest, share.token_end - share.token_begin);
    share = {share.token_end, share.token_end, share.item_end, share.item_end, &alone_};
  }
  // Items are not cut, so few tokens may split unevenly; panels always split evenly.
  const int32_t last_ready = (count + threads - 1) / threads * widest * threads;
  return last_ready <= tokens + tokens / kUnevenPart ? count : 0;
}

void Llama::Forward(const StepBatch& batch) const {
  const int32_t layers = parts_.model->params().layers;
  parts_.lora->Begin(&batch);
  TokenShare shares[kSharesMax + 1];
  const int32_t count = ShareOut(batch, shares);
  if (count > 0) return ForwardShares(batch, shares, count);
  const TokenShare all = {0, batch.token_count, 0, batch.item_count, parts_.workers};
  Embed(all, batch);
  for (int32_t layer = 0; layer < layers; ++layer) {
    EnterLayer(all, batch, layer);
    LeaveLayer(all, batch, layer);
  }
}

// Piece (layer, share) is the layer's end, from attention on, and the next layer's beginning; the
// first piece of a share is its embedding. Attention needs what this and earlier shares appended.
void Llama::ForwardShares(const StepBatch& batch, const TokenShare* shares, int32_t count) const {
  const int32_t layers = parts_.model->params().layers;
  ShareWave wave;
  parts_.workers->For((layers + 1) * count, [&](int32_t piece) {
    const int32_t layer = piece / count - 1;
    const int32_t index = piece % count;
    const TokenShare& share = shares[index];
    wave.Await(index, layer + 1);
    if (layer < 0) {
      Embed(share, batch);
    } else {
      LeaveLayer(share, batch, layer);
    }
    if (layer + 1 < layers) EnterLayer(share, batch, layer + 1);
    wave.Pass(index);
  });
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
  const TokenShare all = {0, count, 0, 0, parts_.workers};
  const LayerInput input = NormInput(all, a.gathered(), parts_.model->output_norm(), nullptr);
  Multiply(all, parts_.model->output(), input, {a.logits(), p.vocab, false}, {});
}

}  // namespace fairlane
