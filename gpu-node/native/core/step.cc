// See step.h.
#include "core/step.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>

#include "core/limits.h"

namespace fairlane {
namespace {

bool CountsFit(const int32_t* header, const StepCapacity& capacity) {
  const auto fits = [](int32_t count, int32_t limit) { return count >= 0 && count <= limit; };
  return fits(header[kPlanRows], capacity.rows) && fits(header[kPlanTokens], capacity.tokens) &&
         fits(header[kPlanPageUpdates], capacity.page_updates) &&
         fits(header[kPlanSamplingUpdates], capacity.sampling_updates) &&
         fits(header[kPlanSlotResets], capacity.slot_resets) &&
         fits(header[kPlanBiasUpdates], capacity.bias_updates) &&
         fits(header[kPlanPageCopies], capacity.copied_pages);
}

}  // namespace

bool StepRunner::Open(const StepRunnerOptions& options, std::string* error) {
  options_ = options;
  const ModelParams& params = options.model->params();
  const StepCapacity& capacity = options.capacity;
  kv_groups_.Open(params, options.kv_type);
  // One size for all groups, so that any page can serve any of them.
  size_t page_bytes = 0;
  for (int32_t i = 0; i < kv_groups_.count(); ++i)
    page_bytes = std::max(page_bytes, options.backend->kv_page_bytes(&kv_groups_.group(i).shape));
  const int32_t logit_rows =
      options.keep_logits ? capacity.tokens : std::min(capacity.rows, capacity.tokens);
  const int64_t order_bytes =
      int64_t{capacity.rows} * params.vocab * static_cast<int64_t>(sizeof(int32_t));
  if (order_bytes > kMaxScratchBytes || !orders_.Allocate(static_cast<size_t>(order_bytes)) ||
      !edited_.Allocate(static_cast<size_t>(order_bytes))) {
    *error = "no memory to sample " + std::to_string(capacity.rows) + " rows";
    return false;
  }
  const bool opened =
      pages_.Open(options.page_count, page_bytes, error) && copies_.Open(&pages_, error) &&
      adapters_.Open({params, options.adapter_type, pages_.page_bytes()}, &pages_,
                     options.adapter_slots, error) &&
      lora_.Open(options.backend, options.model->is_f32(), capacity.tokens, error) &&
      slots_.Open({options.slot_count, options.page_count, kv_groups_.count(), params.context,
                   params.vocab, capacity},
                  error) &&
      batch_.Open({capacity, slots_.max_entries(), params.kv_heads, kv_groups_.count()}, error) &&
      resolver_.Open({&slots_, &pages_, &kv_groups_, &adapters_, capacity, params.vocab,
                      params.context, params.kv_heads, options.workers->thread_count()},
                     error) &&
      activations_.Open({params, capacity.tokens, logit_rows}, error) &&
      embeddings_.Open(options.slot_count, params.hidden, error);
  if (!opened) return false;
  const PagedAttentionFn attention = options.has_bf16_attention
                                         ? options.backend->paged_attention_bf16
                                         : options.backend->paged_attention;
  llama_ = std::make_unique<Llama>(Llama::Parts{options.model, options.backend, options.workers,
                                                &activations_, &kv_groups_, &lora_, attention});
  all_tokens_.resize(options.keep_logits ? static_cast<size_t>(capacity.tokens) : 0);
  std::iota(all_tokens_.begin(), all_tokens_.end(), 0);
  return true;
}

bool StepRunner::ArePages(const int32_t* pages, int32_t count) const {
  return std::all_of(pages, pages + count,
                     [this](int32_t page) { return page >= 0 && page < pages_.page_count(); });
}

bool StepRunner::ArePagesOf(int32_t group, const int32_t* pages, int32_t count) const {
  return group >= 0 && group < kv_groups_.count() && ArePages(pages, count);
}

bool StepRunner::WritePages(const int32_t* pages, int32_t count, const uint8_t* images) {
  if (!ArePages(pages, count)) return false;
  for (int32_t i = 0; i < count; ++i, images += pages_.page_bytes())
    std::memcpy(pages_.DataOf(pages[i]), images, pages_.page_bytes());
  return true;
}

bool StepRunner::ExportPages(int32_t group, const int32_t* pages, int32_t count,
                             uint8_t* canonical) const {
  if (!ArePagesOf(group, pages, count)) return false;
  const KvShape& shape = kv_groups_.group(group).shape;
  for (int32_t i = 0; i < count; ++i, canonical += CanonicalPageBytes(shape))
    options_.backend->export_page(&shape, pages_.DataOf(pages[i]), canonical);
  return true;
}

bool StepRunner::ImportPages(int32_t group, const int32_t* pages, int32_t count,
                             const uint8_t* canonical) {
  if (!ArePagesOf(group, pages, count)) return false;
  const KvShape& shape = kv_groups_.group(group).shape;
  for (int32_t i = 0; i < count; ++i, canonical += CanonicalPageBytes(shape))
    options_.backend->import_page(&shape, canonical, pages_.DataOf(pages[i]));
  return true;
}

void StepRunner::UseMasks(const uint32_t* masks) {
  masks_ = masks;
  resolver_.SetMaskCount(options_.slot_count);
}

void StepRunner::UseEmbeddings(float* embeddings) {
  embeddings_.Use(embeddings);
  slots_.AllowPooling();
}

StepCheck StepRunner::Check(const PlanView& plan) {
  if (plan.header[kPlanVersion] != kStepLayoutVersion) return {kStepBadVersion, kNone};
  if (!CountsFit(plan.header, options_.capacity)) return {kStepBadCount, kNone};
  StepCheck check = slots_.Apply(plan);
  if (!check.ok()) return check;
  check = copies_.Check(plan);
  if (check.ok()) check = resolver_.Resolve(plan, &batch_);
  if (!check.ok()) slots_.Undo();
  return check;
}

void StepRunner::Sample(const ResultView& result) {
  const int32_t vocab = options_.model->params().vocab;
  options_.workers->For(batch_.sample_count, [&](int32_t i) {
    const auto at = static_cast<size_t>(i);
    const int32_t token = batch_.sample_token[at];
    const int32_t row = batch_.sample_row[at];
    const int64_t logits_row = options_.keep_logits ? token : i;
    const int32_t slot_index = batch_.sample_slot[at];
    Slot& slot = slots_.slot(slot_index);
    SampleTokenArgs args = {};
    args.logits = activations_.logits() + logits_row * vocab;
    args.vocab = vocab;
    args.params = slot.sampling;
    args.position = batch_.position[static_cast<size_t>(token)];
    args.bias = slots_.biases(slot_index);
    args.bias_count = slot.bias_count;
    args.seen = slots_.history().tokens(slot_index);
    args.seen_count = slots_.history().count(slot_index);
    const int32_t mask = batch_.sample_mask[at];
    args.mask = mask == kNone ? nullptr : masks_ + int64_t{mask} * MaskWords(vocab);
    args.order = orders_.As<int32_t>() + int64_t{i} * vocab;
    args.edited = edited_.As<float>() + int64_t{i} * vocab;
    args.top_count = slot.top_logprobs;
    args.top_token = result.result_top_token + int64_t{i} * kTopLogprobsMax;
    args.top_logprob = result.result_top_logprob + int64_t{i} * kTopLogprobsMax;
    options_.backend->sample_token(&args);
    slot.last_token = args.token;
    result.result_n_out[row] = args.token == kNoToken ? 0 : 1;
    result.result_offset[row] = i;
    result.result_token[i] = args.token;
    result.result_logprob[i] = args.logprob;
    result.result_n_top[i] = args.top_count;
  });
}

void StepRunner::Pool(const PlanView& plan) {
  for (int32_t i = 0; i < plan.header[kPlanSlotResets]; ++i)
    if (embeddings_.can_pool()) embeddings_.Clear(plan.slot_reset[i]);
  for (int32_t row = 0; row < batch_.row_count; ++row) {
    const int32_t slot = plan.row_slot[batch_.plan_row[static_cast<size_t>(row)]];
    const Pooling pooling = slots_.slot(slot).pooling;
    if (pooling == kPoolNone) continue;
    const AttentionRow& tokens = batch_.groups[0].rows[static_cast<size_t>(row)];
    const float* states = llama_->FinalStates(tokens.token_begin, tokens.token_count);
    embeddings_.Add(slot, pooling, states, tokens.token_count);
  }
}

void StepRunner::Run(const uint8_t* plan_buffer, uint8_t* result_buffer) {
  const auto start = std::chrono::steady_clock::now();
  const PlanView plan = ViewPlan(options_.capacity, plan_buffer);
  const ResultView result = ViewResult(options_.capacity, result_buffer);
  kept_tokens_ = 0;
  const StepCheck check = Check(plan);
  std::fill(result.header, result.header + kHeaderWords, 0);
  result.header[kResultVersion] = kStepLayoutVersion;
  result.header[kResultStepId] = plan.header[kPlanStepId];
  result.header[kResultStatus] = check.status;
  result.header[kResultBadRow] = check.bad_row;
  if (!check.ok()) return;

  resolver_.Commit(plan, batch_);
  copies_.Run(plan, *options_.workers);
  for (int32_t row = 0; row < batch_.row_count; ++row) {
    result.result_row[row] = row;
    result.result_n_out[row] = 0;
    result.result_offset[row] = 0;
  }
  if (batch_.token_count > 0) {
    llama_->Forward(batch_);
    Pool(plan);
    if (options_.keep_logits) {
      llama_->Logits(all_tokens_.data(), batch_.token_count);
      kept_tokens_ = batch_.token_count;
    } else {
      llama_->Logits(batch_.sample_token.data(), batch_.sample_count);
    }
    Sample(result);
  }
  result.header[kResultRows] = batch_.row_count;
  result.header[kResultTokens] = batch_.sample_count;
  const auto elapsed = std::chrono::steady_clock::now() - start;
  result.header[kResultComputeUs] =
      static_cast<int32_t>(std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count());
}

}  // namespace fairlane
