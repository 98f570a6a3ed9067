// Owns one step from plan to result: check the plan, apply its deltas, run the layers over the
// table of ops, sample, write the result. Runs on the launcher thread only. Invariant: a plan that
// is refused changes nothing; its result carries the status and the row at fault.
#pragma once

#include <memory>
#include <string>

#include "core/activations.h"
#include "core/adapter_slots.h"
#include "core/embeddings.h"
#include "core/kv_groups.h"
#include "core/llama.h"
#include "core/lora.h"
#include "core/model.h"
#include "core/page_copies.h"
#include "core/page_pool.h"
#include "core/row_resolver.h"
#include "core/slot_table.h"
#include "core/step_batch.h"

namespace fairlane {

struct StepRunnerOptions {
  const Model* model;
  const Backend* backend;
  const Workers* workers;
  int32_t page_count;
  int32_t slot_count;
  StepCapacity capacity;
  bool keep_logits;
  bool has_bf16_attention;
  KvType kv_type;
  int32_t adapter_slots;
  TileType adapter_type;
};

class StepRunner {
 public:
  bool Open(const StepRunnerOptions& options, std::string* error);

  // Masks of [slot_count, MaskWords(vocab)]: a row's mask slot is an index into them. They outlive
  // the runner, and nobody writes one that a queued or running step names.
  void UseMasks(const uint32_t* masks);

  // Where the embeddings of slots go, [slot_count, hidden]; it outlives the runner.
  void UseEmbeddings(float* embeddings);

  // `plan` and `result` are buffers of PlanBytes and ResultBytes.
  void Run(const uint8_t* plan, uint8_t* result);

  size_t page_bytes() const { return pages_.page_bytes(); }
  // Moves the K and V of pages of a group between their layout and the canonical form
  // (ops/move_page.h), CanonicalPageBytes each. Not on the launcher thread alone: no queued or
  // running step may read what is imported, or write what is moved. False if a page does not exist.
  bool ExportPages(int32_t group, const int32_t* pages, int32_t count, uint8_t* canonical) const;
  bool ImportPages(int32_t group, const int32_t* pages, int32_t count, const uint8_t* canonical);
  // Copies page images of adapters in, page_bytes() each, likewise.
  bool WritePages(const int32_t* pages, int32_t count, const uint8_t* images);
  AdapterSlots& adapters() { return adapters_; }
  const AdapterSlots& adapters() const { return adapters_; }
  const KvGroups& kv_groups() const { return kv_groups_; }
  // Logits of the last step, [kept_tokens, vocab]; only with keep_logits.
  int32_t kept_tokens() const { return kept_tokens_; }
  const float* kept_logits() const { return activations_.logits(); }

 private:
  StepCheck Check(const PlanView& plan);
  bool ArePages(const int32_t* pages, int32_t count) const;
  bool ArePagesOf(int32_t group, const int32_t* pages, int32_t count) const;
  void Sample(const ResultView& result);
  void Pool(const PlanView& plan);

  StepRunnerOptions options_ = {};
  KvGroups kv_groups_;
  PagePool pages_;
  PageCopies copies_;
  AdapterSlots adapters_;
  SlotTable slots_;
  RowResolver resolver_;
  StepBatch batch_;
  Activations activations_;
  Lora lora_;
  Embeddings embeddings_;
  std::unique_ptr<Llama> llama_;
  AlignedBuffer orders_;  // [rows, vocab] int32: scratch of the sampler
  AlignedBuffer edited_;  // [rows, vocab] f32: the same, for rows with bias or penalties
  const uint32_t* masks_ = nullptr;
  std::vector<int32_t> all_tokens_;
  int32_t kept_tokens_ = 0;
};

}  // namespace fairlane
