// See engine_handle.h.
#include "binding/engine_handle.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <system_error>

#include "binding/napi_values.h"

namespace fairlane::binding {
namespace {

constexpr napi_type_tag kHandleTag = {0x6661697266616e65ULL, 0x656e67696e652d31ULL};
constexpr size_t kErrorBytes = 1024;

// What travels through the thread-safe function: a null pointer is "a step is done", this address
// "closed".
constexpr char kClosedMessage = 0;

void FreeBuffer(napi_env, void* data, void*) { std::free(data); }
void FreeShared(napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<void>*>(hint); }

}  // namespace

napi_value EngineHandle::Open(napi_env env, EngineOptions options) {
  auto* handle = new (std::nothrow) EngineHandle(env);
  if (handle == nullptr) return Throw(env, "no memory for an engine handle");
  options.step_done = StepDone;
  options.step_done_context = handle;
  char error[kErrorBytes] = "unknown reason";
  handle->engine_ = fairlane_engine_open(&options, error, sizeof(error));
  if (handle->engine_ == nullptr) {
    delete handle;
    return Throw(env, error);
  }
  napi_value object;
  if (!Ok(env, napi_create_object(env, &object)) ||
      !Ok(env, napi_type_tag_object(env, object, &kHandleTag)) ||
      !Ok(env, napi_wrap(env, object, handle, OnFinalize, nullptr, &handle->self_))) {
    handle->CloseNow();
    delete handle;
    return nullptr;
  }
  napi_add_env_cleanup_hook(env, OnEnvironmentCleanup, handle);
  // From here on the finalizer owns the handle.
  return handle->Init(object, options.capacity) ? object : nullptr;
}

bool EngineHandle::Init(napi_value object, const StepCapacity& capacity) {
  plan_bytes_ = fairlane_plan_bytes(&capacity);
  result_bytes_ = fairlane_result_bytes(&capacity);
  return MakeThreadSafeFunction() && MakeInfo(object) && MakeMethods(object) &&
         MakeBuffers(object, "plans", plan_bytes_, &plans_) &&
         MakeBuffers(object, "results", result_bytes_, &results_) && MakeMasksAndEmbeddings(object);
}

bool EngineHandle::MakeInfo(napi_value object) {
  const EngineInfo info = fairlane_engine_info(engine_);
  vocab_size_ = info.vocab_size;
  napi_value made;
  return Ok(env_, napi_create_object(env_, &made)) &&
         SetString(env_, made, "backend", info.backend) &&
         SetString(env_, made, "numericsClass", info.numerics_class) &&
         SetNumber(env_, made, "vocabSize", info.vocab_size) &&
         SetNumber(env_, made, "hiddenSize", info.hidden_size) &&
         SetNumber(env_, made, "contextTokens", info.context_tokens) &&
         SetNumber(env_, made, "pageTokens", info.page_tokens) &&
         SetNumber(env_, made, "pageBytes", static_cast<double>(info.page_bytes)) &&
         SetNumber(env_, made, "pageCount", info.page_count) &&
         SetNumber(env_, made, "slotCount", info.slot_count) &&
         SetNumber(env_, made, "threadCount", info.thread_count) &&
         SetNumber(env_, made, "adapterSlots", info.adapter_slots) &&
         SetString(env_, made, "adapterLayout", info.adapter_layout) && MakeKvGroups(made, info) &&
         Ok(env_, napi_set_named_property(env_, object, "info", made));
}

bool EngineHandle::MakeKvGroups(napi_value object, const EngineInfo& info) {
  const auto count = static_cast<uint32_t>(info.kv_group_count);
  napi_value list;
  if (!Ok(env_, napi_create_array_with_length(env_, count, &list))) return false;
  for (uint32_t i = 0; i < count; ++i) {
    const KvGroupInfo& group = info.kv_groups[i];
    napi_value made;
    const bool ok = Ok(env_, napi_create_object(env_, &made)) &&
                    SetNumber(env_, made, "layers", group.layers) &&
                    SetNumber(env_, made, "windowTokens", group.window_tokens) &&
                    SetNumber(env_, made, "pageBytes", static_cast<double>(group.page_bytes)) &&
                    Ok(env_, napi_set_element(env_, list, i, made));
    if (!ok) return false;
  }
  return Ok(env_, napi_set_named_property(env_, object, "kvGroups", list));
}

bool EngineHandle::MakeMethods(napi_value object) {
  const auto method = [](const char* name, napi_callback callback) {
    return napi_property_descriptor{name,    nullptr, callback,        nullptr,
                                    nullptr, nullptr, napi_enumerable, nullptr};
  };
  const napi_property_descriptor methods[] = {
      method("submitStep", SubmitStep),
      method("waitStep", WaitStep),
      method("readLogits", ReadLogits),
      method("exportPages", MovePages<fairlane_engine_export_pages>),
      method("importPages", MovePages<fairlane_engine_import_pages>),
      method("packAdapter", PackAdapter),
      method("writePages", WritePages),
      method("setAdapter", SetAdapter),
      method("clearAdapter", ClearAdapter),
      method("close", Close)};
  return Ok(env_, napi_define_properties(env_, object, std::size(methods), methods));
}

bool EngineHandle::MakeBuffers(napi_value object, const char* name, size_t bytes,
                               std::array<napi_ref, 2>* refs) {
  napi_value list;
  if (!Ok(env_, napi_create_array_with_length(env_, refs->size(), &list))) return false;
  for (size_t i = 0; i < refs->size(); ++i) {
    void* data = std::aligned_alloc(kColumnAlignBytes, bytes);
    if (data == nullptr) {
      Throw(env_, "no memory for the step buffers");
      return false;
    }
    std::memset(data, 0, bytes);
    napi_value buffer;
    if (!Ok(env_,
            napi_create_external_arraybuffer(env_, data, bytes, FreeBuffer, nullptr, &buffer))) {
      std::free(data);
      return false;
    }
    if (!Ok(env_, napi_create_reference(env_, buffer, 1, &(*refs)[i])) ||
        !Ok(env_, napi_set_element(env_, list, static_cast<uint32_t>(i), buffer))) {
      return false;
    }
  }
  return Ok(env_, napi_set_named_property(env_, object, name, list));
}

bool EngineHandle::MakeShared(napi_value object, const char* name, size_t bytes,
                              std::shared_ptr<void>* memory) {
  // Pages of zeros cost nothing until they are written.
  memory->reset(std::calloc(bytes, 1), std::free);
  auto* shared = new (std::nothrow) std::shared_ptr<void>(*memory);
  if (*memory == nullptr || shared == nullptr) {
    delete shared;
    Throw(env_, "no memory for a buffer of the engine");
    return false;
  }
  napi_value buffer;
  if (!Ok(env_, napi_create_external_arraybuffer(env_, memory->get(), bytes, FreeShared, shared,
                                                 &buffer))) {
    delete shared;
    return false;
  }
  return Ok(env_, napi_set_named_property(env_, object, name, buffer));
}

bool EngineHandle::MakeMasksAndEmbeddings(napi_value object) {
  const EngineInfo info = fairlane_engine_info(engine_);
  const int64_t floats = int64_t{info.slot_count} * info.hidden_size;
  if (!MakeShared(object, "masks", fairlane_mask_bytes(engine_), &masks_) ||
      !MakeShared(object, "embeddings", static_cast<size_t>(floats) * sizeof(float), &embeddings_))
    return false;
  fairlane_engine_use_masks(engine_, static_cast<const uint32_t*>(masks_.get()));
  fairlane_engine_use_embeddings(engine_, static_cast<float*>(embeddings_.get()));
  return true;
}

bool EngineHandle::MakeThreadSafeFunction() {
  napi_value name;
  return Ok(env_, napi_create_string_utf8(env_, "fairlane engine", NAPI_AUTO_LENGTH, &name)) &&
         Ok(env_, napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr,
                                                  nullptr, this, OnMessage, &to_loop_)) &&
         Ok(env_, napi_unref_threadsafe_function(env_, to_loop_));
}

void* EngineHandle::BufferData(napi_ref ref, size_t bytes) {
  napi_value buffer;
  void* data = nullptr;
  size_t actual = 0;
  if (!Ok(env_, napi_get_reference_value(env_, ref, &buffer)) ||
      !Ok(env_, napi_get_arraybuffer_info(env_, buffer, &data, &actual))) {
    return nullptr;
  }
  if (data == nullptr || actual != bytes) {
    Throw(env_, "a step buffer was detached or transferred");
    return nullptr;
  }
  return data;
}

EngineHandle* EngineHandle::HandleOf(napi_env env, napi_callback_info info, napi_value* argument) {
  size_t count = 1;
  napi_value self;
  bool tagged = false;
  void* handle = nullptr;
  if (!Ok(env, napi_get_cb_info(env, info, &count, argument, &self, nullptr))) return nullptr;
  napi_valuetype type;
  if (!Ok(env, napi_typeof(env, self, &type))) return nullptr;
  if (type == napi_object) napi_check_object_type_tag(env, self, &kHandleTag, &tagged);
  if (!tagged || napi_unwrap(env, self, &handle) != napi_ok) {
    Throw(env, "this method was called on something that is no engine");
    return nullptr;
  }
  return static_cast<EngineHandle*>(handle);
}

EngineHandle* EngineHandle::OpenHandleOf(napi_env env, napi_callback_info info,
                                         napi_value* argument) {
  EngineHandle* handle = HandleOf(env, info, argument);
  if (handle != nullptr && handle->engine_ == nullptr) {
    Throw(env, "the engine is closed");
    return nullptr;
  }
  return handle;
}

napi_value EngineHandle::SubmitStep(napi_env env, napi_callback_info info) {
  napi_value argument;
  EngineHandle* handle = OpenHandleOf(env, info, &argument);
  int32_t index = 0;
  if (handle == nullptr || !ToInt32(env, argument, "planIndex", &index)) return nullptr;
  if (index < 0 || index > 1) return Throw(env, "planIndex must be 0 or 1");
  const void* plan =
      handle->BufferData(handle->plans_[static_cast<size_t>(index)], handle->plan_bytes_);
  if (plan == nullptr) return nullptr;
  if (fairlane_engine_submit(handle->engine_, plan) != kEngineOk) {
    return Throw(env, "two steps are in flight already: wait for one first");
  }
  ++handle->running_;
  handle->UpdateKeepAlive();
  return nullptr;
}

napi_value EngineHandle::WaitStep(napi_env env, napi_callback_info info) {
  napi_value argument;
  EngineHandle* handle = OpenHandleOf(env, info, &argument);
  if (handle == nullptr) return nullptr;
  if (handle->wait_ != nullptr) return Throw(env, "a wait is pending already");
  if (fairlane_engine_in_flight(handle->engine_) == 0) return Throw(env, "no step is in flight");
  napi_value promise;
  if (!Ok(env, napi_create_promise(env, &handle->wait_, &promise))) return nullptr;
  handle->TryClaim();
  return promise;
}

void EngineHandle::TryClaim() {
  if (wait_ == nullptr || engine_ == nullptr) return;
  const uint32_t index = next_result_;
  void* result = BufferData(results_[index], result_bytes_);
  if (result == nullptr) {
    napi_value error;
    napi_get_and_clear_last_exception(env_, &error);
    RejectWait("a result buffer was detached or transferred");
    return;
  }
  if (fairlane_engine_wait(engine_, 0, result) != kEngineOk) return;
  next_result_ = 1 - index;
  napi_value number;
  napi_deferred wait = wait_;
  wait_ = nullptr;
  if (napi_create_uint32(env_, index, &number) == napi_ok)
    napi_resolve_deferred(env_, wait, number);
}

void EngineHandle::RejectWait(const char* message) {
  if (wait_ == nullptr) return;
  napi_value text;
  napi_value error;
  napi_deferred wait = wait_;
  wait_ = nullptr;
  if (napi_create_string_utf8(env_, message, NAPI_AUTO_LENGTH, &text) == napi_ok &&
      napi_create_error(env_, nullptr, text, &error) == napi_ok) {
    napi_reject_deferred(env_, wait, error);
  }
}

napi_value EngineHandle::ReadLogits(napi_env env, napi_callback_info info) {
  napi_value argument;
  EngineHandle* handle = OpenHandleOf(env, info, &argument);
  if (handle == nullptr) return nullptr;
  const float* logits = nullptr;
  int32_t tokens = 0;
  if (fairlane_engine_logits(handle->engine_, &logits, &tokens) != kEngineOk) {
    return Throw(env, "logits cannot be read while a step is queued or running");
  }
  if (tokens == 0)
    return Throw(env, "no logits are kept: open the engine with keepLogits and run a step");
  const size_t count = static_cast<size_t>(tokens) * static_cast<size_t>(handle->vocab_size_);
  void* data = nullptr;
  napi_value buffer;
  napi_value array;
  if (!Ok(env, napi_create_arraybuffer(env, count * sizeof(float), &data, &buffer))) return nullptr;
  std::memcpy(data, logits, count * sizeof(float));
  if (!Ok(env, napi_create_typedarray(env, napi_float32_array, count, buffer, 0, &array)))
    return nullptr;
  return array;
}

bool EngineHandle::ReadPageMove(napi_value argument, PageMove* move) {
  napi_value pages;
  napi_value canonical;
  void* data = nullptr;
  size_t count = 0;
  size_t bytes = 0;
  if (!ReadInt32(env_, argument, "kvGroup", &move->kv_group) ||
      !ReadTypedArray(env_, argument, "pages", napi_int32_array, &data, &count)) {
    return false;
  }
  move->pages = static_cast<int32_t*>(data);
  move->count = static_cast<int32_t>(count);
  if (!ReadTypedArray(env_, argument, "canonical", napi_uint8_array, &data, &bytes)) return false;
  move->canonical = static_cast<uint8_t*>(data);
  const size_t page_bytes = fairlane_canonical_page_bytes(engine_, move->kv_group);
  if (page_bytes > 0 && bytes == count * page_bytes) return true;
  Throw(env_, "canonical must hold the pages of a KV group, and no more");
  return false;
}

template <auto kMove>
napi_value EngineHandle::MovePages(napi_env env, napi_callback_info info) {
  napi_value argument;
  EngineHandle* handle = OpenHandleOf(env, info, &argument);
  PageMove move = {};
  if (handle == nullptr || !handle->ReadPageMove(argument, &move)) return nullptr;
  if (kMove(handle->engine_, move.kv_group, move.pages, move.count, move.canonical) != kEngineOk) {
    return Throw(env, "a page does not exist");
  }
  return nullptr;
}

napi_value EngineHandle::Close(napi_env env, napi_callback_info info) {
  napi_value argument;
  EngineHandle* handle = HandleOf(env, info, &argument);
  if (handle == nullptr) return nullptr;
  if (handle->close_promise_ == nullptr) return handle->StartClose();
  napi_value promise;
  return Ok(env, napi_get_reference_value(env, handle->close_promise_, &promise)) ? promise
                                                                                  : nullptr;
}

napi_value EngineHandle::StartClose() {
  napi_value promise;
  if (!Ok(env_, napi_create_promise(env_, &close_, &promise)) ||
      !Ok(env_, napi_create_reference(env_, promise, 1, &close_promise_))) {
    return nullptr;
  }
  RejectWait("the engine was closed");
  is_closing_ = true;
  UpdateKeepAlive();
  Engine* engine = engine_;
  engine_ = nullptr;
  const auto close = [engine, to_loop = to_loop_] {
    fairlane_engine_close(engine);
    napi_call_threadsafe_function(to_loop, const_cast<char*>(&kClosedMessage),
                                  napi_tsfn_nonblocking);
  };
  try {
    closer_ = std::thread(close);
  } catch (const std::system_error&) {
    close();  // no thread to be had: the caller waits, the message still settles the promise
  }
  return promise;
}

void EngineHandle::FinishClose() {
  if (closer_.joinable()) closer_.join();
  running_ = 0;
  is_closing_ = false;
  napi_value undefined;
  if (napi_get_undefined(env_, &undefined) == napi_ok)
    napi_resolve_deferred(env_, close_, undefined);
  napi_remove_env_cleanup_hook(env_, OnEnvironmentCleanup, this);
  ReleaseReferences();
  UpdateKeepAlive();
  napi_release_threadsafe_function(to_loop_, napi_tsfn_release);
  to_loop_ = nullptr;
}

void EngineHandle::ReleaseReferences() {
  for (auto* refs : {&plans_, &results_}) {
    for (napi_ref& ref : *refs) {
      if (ref != nullptr) napi_delete_reference(env_, ref);
      ref = nullptr;
    }
  }
}

void EngineHandle::CloseNow() {
  if (closer_.joinable()) closer_.join();
  fairlane_engine_close(engine_);
  engine_ = nullptr;
}

void EngineHandle::UpdateKeepAlive() {
  const bool keep = running_ > 0 || is_closing_;
  if (keep == is_kept_alive_ || to_loop_ == nullptr) return;
  is_kept_alive_ = keep;
  uint32_t count = 0;
  if (keep) {
    napi_ref_threadsafe_function(env_, to_loop_);
    napi_reference_ref(env_, self_, &count);
  } else {
    napi_unref_threadsafe_function(env_, to_loop_);
    napi_reference_unref(env_, self_, &count);
  }
}

void EngineHandle::StepDone(void* data) {
  napi_call_threadsafe_function(static_cast<EngineHandle*>(data)->to_loop_, nullptr,
                                napi_tsfn_nonblocking);
}

void EngineHandle::OnMessage(napi_env env, napi_value, void* data, void* message) {
  if (env == nullptr) return;  // the environment is going down
  auto* handle = static_cast<EngineHandle*>(data);
  if (message == &kClosedMessage) {
    handle->FinishClose();
    return;
  }
  if (handle->running_ > 0) --handle->running_;
  handle->TryClaim();
  handle->UpdateKeepAlive();
}

void EngineHandle::OnFinalize(napi_env env, void* data, void*) {
  auto* handle = static_cast<EngineHandle*>(data);
  if (handle->to_loop_ !=
      nullptr) {  // dropped without a close: nothing runs, or it would be kept alive
    napi_remove_env_cleanup_hook(env, OnEnvironmentCleanup, handle);
    handle->CloseNow();
    handle->ReleaseReferences();
    napi_release_threadsafe_function(handle->to_loop_, napi_tsfn_release);
  }
  if (handle->close_promise_ != nullptr) napi_delete_reference(env, handle->close_promise_);
  delete handle;
}

void EngineHandle::OnEnvironmentCleanup(void* data) {
  auto* handle = static_cast<EngineHandle*>(data);
  handle->CloseNow();
  handle->to_loop_ = nullptr;  // the environment frees it
}

}  // namespace fairlane::binding
