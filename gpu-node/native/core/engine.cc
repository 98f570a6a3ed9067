// See engine.h.
#include "core/engine.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/attention_choice.h"
#include "core/check_llama.h"
#include "core/limits.h"
#include "core/manifest.h"
#include "core/model.h"
#include "core/plugin.h"
#include "core/step.h"

namespace fairlane {

// Step n (counted from 0) uses place n % kMaxStepsInFlight from submit to claim; at all times
// claimed <= completed <= submitted <= claimed + kMaxStepsInFlight.
struct Engine {
  ~Engine() { Stop(); }

  bool Open(const EngineOptions& options, std::string* error);
  EngineStatus Submit(const void* plan);
  EngineStatus Wait(int64_t timeout_ms, void* result);
  // Whether a step that is not claimed yet names the adapter slot.
  bool Names(int32_t adapter_slot) const;

  Plugin plugin;  // first, because everything below calls into it until its own end
  Workers workers;
  Model model;
  StepRunner runner;
  EngineOptions options = {};
  std::string numerics_class;
  std::string adapter_layout;

  mutable std::mutex mutex;

 private:
  void Launch();
  void Stop();

  std::condition_variable submitted_changed_;
  std::condition_variable completed_changed_;
  std::array<std::vector<uint8_t>, kMaxStepsInFlight> plans_;
  std::array<std::vector<uint8_t>, kMaxStepsInFlight> results_;

 public:
  uint64_t submitted = 0;
  uint64_t completed = 0;
  uint64_t claimed = 0;
  bool stopping = false;

 private:
  std::thread launcher_;
};

namespace {

bool CheckOptions(const EngineOptions& options, std::string* error) {
  const StepCapacity& c = options.capacity;
  const struct {
    const char* name;
    int32_t value;
    int32_t limit;
  } numbers[] = {{"pageCount", options.page_count, kMaxPages},
                 {"slotCount", options.slot_count, kMaxSlots},
                 {"threadCount", options.thread_count, kMaxThreads},
                 {"capacity.rows", c.rows, kMaxCapacity},
                 {"capacity.tokens", c.tokens, kMaxCapacity},
                 {"capacity.page_updates", c.page_updates, kMaxCapacity},
                 {"capacity.sampling_updates", c.sampling_updates, kMaxCapacity},
                 {"capacity.slot_resets", c.slot_resets, kMaxCapacity},
                 {"capacity.bias_updates", c.bias_updates, kMaxCapacity},
                 {"capacity.top_tokens", c.top_tokens, kMaxCapacity},
                 {"capacity.copied_pages", c.copied_pages, kMaxCapacity}};
  for (const auto& number : numbers) {
    if (number.value >= 1 && number.value <= number.limit) continue;
    *error = std::string(number.name) + " is " + std::to_string(number.value) + ", outside 1 .. " +
             std::to_string(number.limit);
    return false;
  }
  if (c.top_tokens < c.rows * kTopLogprobsMax) {
    *error = "capacity.top_tokens is " + std::to_string(c.top_tokens) + ", below " +
             std::to_string(kTopLogprobsMax) + " a row";
    return false;
  }
  if (std::strcmp(options.numerics, "int8") != 0 && std::strcmp(options.numerics, "f32") != 0) {
    *error = "numerics must be int8 or f32, not \"" + std::string(options.numerics) + "\"";
    return false;
  }
  if (std::strcmp(options.kv_type, "f16") != 0 && std::strcmp(options.kv_type, "int8") != 0) {
    *error = "kvType must be f16 or int8, not \"" + std::string(options.kv_type) + "\"";
    return false;
  }
  if (std::strcmp(options.adapter_type, "f16") != 0 &&
      std::strcmp(options.adapter_type, "int8") != 0) {
    *error = "adapterType must be f16 or int8, not \"" + std::string(options.adapter_type) + "\"";
    return false;
  }
  if (std::strcmp(options.kv_type, "int8") == 0 && std::strcmp(options.numerics, "f32") == 0) {
    *error = "KV in int8 does not go with the numerics f32";
    return false;
  }
  return true;
}

KvType KvTypeOf(const EngineOptions& options) {
  if (std::strcmp(options.numerics, "f32") == 0) return kKvF32;
  return std::strcmp(options.kv_type, "int8") == 0 ? kKvInt8 : kKvF16;
}

const char* NameOf(KvType type) {
  return type == kKvF32 ? "/kv-f32" : type == kKvInt8 ? "/kv-int8" : "/kv-f16";
}

void CopyError(const std::string& message, char* error, size_t error_bytes) {
  if (error_bytes > 0) std::snprintf(error, error_bytes, "%s", message.c_str());
}

// The table that an engine with these options uses, attention as it comes to.
bool TilesFor(const EngineOptions& options, const Backend& backend, TileTables* tiles,
              std::string* error) {
  *tiles = DefaultTiles(backend);
  if (options.kernels_path != nullptr && !ReadTiles(options.kernels_path, backend, tiles, error))
    return false;
  const bool as_f32 = std::strcmp(options.numerics, "f32") == 0;
  bool* const is_bf16 = &tiles->prefers_bf16_attention;
  if (!ChooseAttention(backend, options.attention, *is_bf16 && !as_f32, is_bf16, error))
    return false;
  if (as_f32 && *is_bf16) *error = "attention in bf16 does not go with the numerics f32";
  return !as_f32 || !*is_bf16;
}

}  // namespace

bool Engine::Open(const EngineOptions& given, std::string* error) {
  options = given;
  if (!CheckOptions(options, error)) return false;
  const bool as_f32 = std::strcmp(options.numerics, "f32") == 0;
  Manifest manifest;
  if (!ReadManifest(options.manifest_path, &manifest, error) || !CheckLlama(manifest, error))
    return false;
  if (!plugin.Open(options.plugin_folder, options.isa, error)) return false;
  const Backend& backend = plugin.backend();
  TileTables tiles;
  if (!TilesFor(options, backend, &tiles, error)) return false;
  const bool is_bf16 = tiles.prefers_bf16_attention;
  if (!workers.Open(&backend, options.thread_count, options.pins_threads)) {
    *error = "cannot start " + std::to_string(options.thread_count) + " threads";
    return false;
  }
  model.UseTiles(tiles);
  if (!model.Load(manifest, backend, workers, as_f32, error)) return false;
  const TileType adapter_type =
      std::strcmp(options.adapter_type, "int8") == 0 ? kTileInt8 : kTileF16;
  if (!runner.Open(
          {&model, &backend, &workers, options.page_count, options.slot_count, options.capacity,
           options.keep_logits, is_bf16, KvTypeOf(options), options.adapter_slots, adapter_type},
          error)) {
    return false;
  }
  // Bump the last number when the arithmetic of any op changes: the class is part of cache keys.
  numerics_class = std::string(backend.name) + (as_f32 ? "/f32" : "/int8-zero-g32") +
                   NameOf(runner.kv_groups().group(0).shape.type) +
                   (is_bf16 ? "/attention-bf16" : "/attention-f32") +
                   (adapter_type == kTileInt8 ? "/adapters-int8" : "") + "/3";
  adapter_layout = AdapterLayoutName(runner.adapters().geometry());
  for (auto& plan : plans_) plan.resize(PlanBytes(options.capacity));
  for (auto& result : results_) result.resize(ResultBytes(options.capacity));
  launcher_ = std::thread([this] { Launch(); });
  return true;
}

void Engine::Launch() {
  if (options.pins_threads) plugin.backend().pin_thread(0);
  std::unique_lock lock(mutex);
  for (;;) {
    submitted_changed_.wait(lock, [this] { return stopping || completed < submitted; });
    if (completed == submitted) return;  // stopping, and nothing is queued
    const size_t place = completed % kMaxStepsInFlight;
    lock.unlock();
    runner.Run(plans_[place].data(), results_[place].data());
    lock.lock();
    ++completed;
    completed_changed_.notify_all();
    lock.unlock();
    if (options.step_done != nullptr) options.step_done(options.step_done_context);
    lock.lock();
  }
}

EngineStatus Engine::Submit(const void* plan) {
  const std::lock_guard lock(mutex);
  if (stopping) return kEngineClosing;
  if (submitted - claimed >= kMaxStepsInFlight) return kEngineFull;
  std::vector<uint8_t>& place = plans_[submitted % kMaxStepsInFlight];
  std::memcpy(place.data(), plan, place.size());
  ++submitted;
  submitted_changed_.notify_one();
  return kEngineOk;
}

EngineStatus Engine::Wait(int64_t timeout_ms, void* result) {
  std::unique_lock lock(mutex);
  if (claimed == submitted) return kEngineIdle;
  const auto done = [this] { return claimed < completed; };
  if (timeout_ms < 0) {
    completed_changed_.wait(lock, done);
  } else if (!completed_changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), done)) {
    return kEngineTimeout;
  }
  const std::vector<uint8_t>& place = results_[claimed % kMaxStepsInFlight];
  std::memcpy(result, place.data(), place.size());
  ++claimed;
  return kEngineOk;
}

bool Engine::Names(int32_t adapter_slot) const {
  const std::lock_guard lock(mutex);
  for (uint64_t step = claimed; step < submitted; ++step) {
    const PlanView plan = ViewPlan(options.capacity, plans_[step % kMaxStepsInFlight].data());
    const int32_t rows = std::clamp(plan.header[kPlanRows], 0, options.capacity.rows);
    if (std::find(plan.row_adapter, plan.row_adapter + rows, adapter_slot) !=
        plan.row_adapter + rows) {
      return true;
    }
  }
  return false;
}

void Engine::Stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
    submitted_changed_.notify_one();
  }
  if (launcher_.joinable()) launcher_.join();
}

extern "C" {

bool fairlane_kernel_table(const EngineOptions* options, bool measures, char* text,
                           size_t text_bytes) {
  std::string message;
  Plugin plugin;
  TileTables tiles;
  bool ok = plugin.Open(options->plugin_folder, options->isa, &message);
  if (ok && measures) tiles = MeasureTiles(plugin.backend());
  if (ok && !measures) ok = TilesFor(*options, plugin.backend(), &tiles, &message);
  CopyError(ok ? TextOf(tiles, plugin.backend()) : message, text, text_bytes);
  return ok;
}

Engine* fairlane_engine_open(const EngineOptions* options, char* error, size_t error_bytes) {
  try {
    auto engine = std::make_unique<Engine>();
    std::string message;
    if (engine->Open(*options, &message)) return engine.release();
    CopyError(message, error, error_bytes);
  } catch (const std::exception& failure) {
    CopyError(std::string("the engine could not be opened: ") + failure.what(), error, error_bytes);
  }
  return nullptr;
}

EngineInfo fairlane_engine_info(const Engine* engine) {
  const ModelParams& params = engine->model.params();
  const KvGroups& groups = engine->runner.kv_groups();
  EngineInfo info = {.backend = engine->plugin.backend().name,
                     .numerics_class = engine->numerics_class.c_str(),
                     .vocab_size = params.vocab,
                     .hidden_size = params.hidden,
                     .context_tokens = params.context,
                     .page_tokens = kPageTokens,
                     .page_bytes = static_cast<int64_t>(engine->runner.page_bytes()),
                     .page_count = engine->options.page_count,
                     .slot_count = engine->options.slot_count,
                     .thread_count = engine->options.thread_count,
                     .adapter_slots = engine->runner.adapters().slot_count(),
                     .adapter_layout = engine->adapter_layout.c_str(),
                     .kv_group_count = groups.count(),
                     .kv_groups = {}};
  for (int32_t i = 0; i < groups.count(); ++i) {
    const KvGroup& group = groups.group(i);
    const size_t bytes = engine->plugin.backend().kv_page_bytes(&group.shape);
    info.kv_groups[i] = {group.shape.layers, group.window, static_cast<int64_t>(bytes)};
  }
  return info;
}

size_t fairlane_plan_bytes(const StepCapacity* capacity) { return PlanBytes(*capacity); }
size_t fairlane_result_bytes(const StepCapacity* capacity) { return ResultBytes(*capacity); }

size_t fairlane_mask_bytes(const Engine* engine) {
  const auto words = static_cast<size_t>(MaskWords(engine->model.params().vocab));
  return static_cast<size_t>(engine->options.slot_count) * words * sizeof(uint32_t);
}

void fairlane_engine_use_masks(Engine* engine, const uint32_t* masks) {
  engine->runner.UseMasks(masks);
}

void fairlane_engine_use_embeddings(Engine* engine, float* embeddings) {
  engine->runner.UseEmbeddings(embeddings);
}

EngineStatus fairlane_engine_submit(Engine* engine, const void* plan) {
  return engine->Submit(plan);
}

EngineStatus fairlane_engine_wait(Engine* engine, int64_t timeout_ms, void* result) {
  return engine->Wait(timeout_ms, result);
}

int32_t fairlane_engine_in_flight(const Engine* engine) {
  const std::lock_guard lock(engine->mutex);
  return static_cast<int32_t>(engine->submitted - engine->claimed);
}

EngineStatus fairlane_engine_logits(const Engine* engine, const float** logits, int32_t* tokens) {
  const std::lock_guard lock(engine->mutex);
  if (engine->completed < engine->submitted) return kEngineBusy;
  *logits = engine->runner.kept_logits();
  *tokens = engine->runner.kept_tokens();
  return kEngineOk;
}

size_t fairlane_canonical_page_bytes(const Engine* engine, int32_t kv_group) {
  const KvGroups& groups = engine->runner.kv_groups();
  if (kv_group < 0 || kv_group >= groups.count()) return 0;
  return CanonicalPageBytes(groups.group(kv_group).shape);
}

EngineStatus fairlane_engine_export_pages(const Engine* engine, int32_t kv_group,
                                          const int32_t* pages, int32_t count, uint8_t* canonical) {
  const bool moved = engine->runner.ExportPages(kv_group, pages, count, canonical);
  return moved ? kEngineOk : kEngineBadPage;
}

EngineStatus fairlane_engine_import_pages(Engine* engine, int32_t kv_group, const int32_t* pages,
                                          int32_t count, const uint8_t* canonical) {
  const bool moved = engine->runner.ImportPages(kv_group, pages, count, canonical);
  return moved ? kEngineOk : kEngineBadPage;
}

const AdapterGeometry* fairlane_engine_adapter_geometry(const Engine* engine) {
  return &engine->runner.adapters().geometry();
}

EngineStatus fairlane_engine_write_pages(Engine* engine, const int32_t* pages, int32_t count,
                                         const uint8_t* images) {
  return engine->runner.WritePages(pages, count, images) ? kEngineOk : kEngineBadPage;
}

EngineStatus fairlane_engine_set_adapter(Engine* engine, int32_t adapter_slot,
                                         const AdapterPlaces* places, char* error,
                                         size_t error_bytes) {
  if (engine->Names(adapter_slot)) return kEngineBusy;
  std::string message;
  if (engine->runner.adapters().Set(adapter_slot, *places, &message)) return kEngineOk;
  CopyError(message, error, error_bytes);
  return kEngineBadAdapter;
}

EngineStatus fairlane_engine_clear_adapter(Engine* engine, int32_t adapter_slot) {
  if (engine->Names(adapter_slot)) return kEngineBusy;
  return engine->runner.adapters().Clear(adapter_slot) ? kEngineOk : kEngineBadAdapter;
}

void fairlane_engine_close(Engine* engine) { delete engine; }

}  // extern "C"

}  // namespace fairlane
