// The C ABI of an engine: open a model from its manifest, submit step plans, claim their results in
// order. One launcher thread per engine runs the steps; at most kMaxStepsInFlight are submitted and
// unclaimed. Plans are copied in and results copied out, so buffers belong to the caller. Functions
// of one engine are called from one thread at a time, except fairlane_engine_wait, which may block
// in a thread of its own.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/adapter_pack.h"
#include "core/adapter_slots.h"
#include "core/limits.h"
#include "core/step_layout.h"

namespace fairlane {

struct Engine;

struct EngineOptions {
  const char* manifest_path;
  const char* plugin_folder;  // of cpu_<isa>.so
  const char* isa;            // auto, generic, avx2, avx512vnni
  const char* numerics;       // int8, f32
  const char* attention;      // auto, f32, bf16
  const char* kv_type;        // f16 (f32 with the numerics f32), int8
  const char* kernels_path;   // table of kernels (tile_tables.h); null: the plug-in's own
  const char* adapter_type;   // f16, int8: what adapters are kept in
  int32_t adapter_slots;      // 0: rows name no adapter
  int32_t page_count;
  int32_t slot_count;
  int32_t thread_count;
  bool pins_threads;  // each thread stays on a CPU of its own
  StepCapacity capacity;
  bool keep_logits;
  // Called on the launcher thread after each step; may be null.
  void (*step_done)(void* context);
  void* step_done_context;
};

// Layers that share pages (kv_groups.h).
struct KvGroupInfo {
  int32_t layers;
  int32_t window_tokens;  // 0: none
  int64_t page_bytes;     // used of a page; the rest of EngineInfo::page_bytes is waste
};

struct EngineInfo {
  const char* backend;
  const char* numerics_class;
  int32_t vocab_size;
  int32_t hidden_size;
  int32_t context_tokens;
  int32_t page_tokens;
  int64_t page_bytes;
  int32_t page_count;
  int32_t slot_count;
  int32_t thread_count;
  int32_t adapter_slots;
  const char* adapter_layout;  // adapter_layout.h
  int32_t kv_group_count;
  KvGroupInfo kv_groups[kMaxKvGroups];
};

enum EngineStatus : int32_t {
  kEngineOk = 0,
  kEngineTimeout = 1,
  kEngineFull = 2,  // kMaxStepsInFlight steps are unclaimed
  kEngineIdle = 3,  // nothing is in flight
  kEngineBusy = 4,  // a step is queued or running
  kEngineClosing = 5,
  kEngineBadPage = 6,  // a page or a KV group that does not exist
  kEngineBadAdapter = 7,
};

extern "C" {

// The table of kernels (tile_tables.h) of a plug-in as text in text[0 .. text_bytes): measured now,
// or what an engine with these options uses. False on failure, with a message there instead.
bool fairlane_kernel_table(const EngineOptions* options, bool measures, char* text,
                           size_t text_bytes);
// Null on failure, with a message in error[0 .. error_bytes).
Engine* fairlane_engine_open(const EngineOptions* options, char* error, size_t error_bytes);
// Strings live as long as the engine.
EngineInfo fairlane_engine_info(const Engine* engine);
size_t fairlane_plan_bytes(const StepCapacity* capacity);
size_t fairlane_result_bytes(const StepCapacity* capacity);

// Bytes of all masks, [slot_count, MaskWords(vocab)] uint32. Until an engine has them, rows cannot
// name one.
size_t fairlane_mask_bytes(const Engine* engine);
// Called before the first submit; the masks outlive the engine. A mask may be written while no
// queued or running step names it.
void fairlane_engine_use_masks(Engine* engine, const uint32_t* masks);
// Where the embeddings of slots go, [slot_count, hidden_size] f32; called before the first submit,
// and it outlives the engine. Without it no slot may pool. A slot's part is read while no submitted
// step has a row of the slot.
void fairlane_engine_use_embeddings(Engine* engine, float* embeddings);

// Copies a plan and queues it.
EngineStatus fairlane_engine_submit(Engine* engine, const void* plan);
// Waits for the oldest unclaimed step and copies its result out. timeout_ms 0 polls; negative waits
// for ever.
EngineStatus fairlane_engine_wait(Engine* engine, int64_t timeout_ms, void* result);
// Steps submitted and not yet claimed.
int32_t fairlane_engine_in_flight(const Engine* engine);
// Logits of the last step, [*tokens, vocab], valid until the next submit; kEngineBusy while a step
// runs.
EngineStatus fairlane_engine_logits(const Engine* engine, const float** logits, int32_t* tokens);
// Bytes of one page of a KV group in canonical form (ops/move_page.h); 0 for a group that does not
// exist.
size_t fairlane_canonical_page_bytes(const Engine* engine, int32_t kv_group);
// Copy pages out to, or in from, their canonical form, one after another. They may be called while
// steps are queued or run, as long as none of those reads what is imported or writes what is moved;
// a step submitted afterwards sees what was imported.
EngineStatus fairlane_engine_export_pages(const Engine* engine, int32_t kv_group,
                                          const int32_t* pages, int32_t count, uint8_t* canonical);
EngineStatus fairlane_engine_import_pages(Engine* engine, int32_t kv_group, const int32_t* pages,
                                          int32_t count, const uint8_t* canonical);
// What packed adapters of this engine are made for; a copy of it needs no engine (adapter_pack.h).
const AdapterGeometry* fairlane_engine_adapter_geometry(const Engine* engine);
// Copies page images in, page_bytes each; done when it returns, also while steps compute, as long
// as none of them reads or writes these pages.
EngineStatus fairlane_engine_write_pages(Engine* engine, const int32_t* pages, int32_t count,
                                         const uint8_t* images);
// Rows of later plans may name the slot from now on, until it is cleared; its pages must stay as
// they are. kEngineBadAdapter with a message in error if the slot or the table will not do,
// kEngineBusy while a submitted and unclaimed step names the slot.
EngineStatus fairlane_engine_set_adapter(Engine* engine, int32_t adapter_slot,
                                         const AdapterPlaces* places, char* error,
                                         size_t error_bytes);
EngineStatus fairlane_engine_clear_adapter(Engine* engine, int32_t adapter_slot);
// Runs what is queued, joins the launcher and frees everything. Null is allowed.
void fairlane_engine_close(Engine* engine);

}  // extern "C"

}  // namespace fairlane
