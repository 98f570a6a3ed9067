// Owns one engine as JavaScript sees it: its buffers, the promise of the pending wait and the way
// from the launcher thread back to the event loop. All methods run on the JavaScript thread that
// opened the engine; only StepDone and the closer thread run elsewhere, and they do nothing to this
// object but post to the thread-safe function. Invariants: the event loop is kept alive exactly
// while a step runs or a close is under way; the native engine is gone before the environment is.
#pragma once

#include <node_api.h>

#include <array>
#include <memory>
#include <thread>

#include "core/engine.h"

namespace fairlane::binding {

class EngineHandle {
 public:
  // Opens an engine and makes its JavaScript object; null with an exception pending on failure.
  static napi_value Open(napi_env env, EngineOptions options);

  EngineHandle(const EngineHandle&) = delete;
  EngineHandle& operator=(const EngineHandle&) = delete;

 private:
  explicit EngineHandle(napi_env env) : env_(env) {}
  ~EngineHandle() = default;

  bool Init(napi_value object, const StepCapacity& capacity);
  bool MakeInfo(napi_value object);
  bool MakeKvGroups(napi_value object, const EngineInfo& info);
  bool MakeMethods(napi_value object);
  bool MakeBuffers(napi_value object, const char* name, size_t bytes,
                   std::array<napi_ref, 2>* refs);
  // Makes a zeroed buffer that lives as long as both the engine and the object, as a property.
  bool MakeShared(napi_value object, const char* name, size_t bytes, std::shared_ptr<void>* memory);
  bool MakeMasksAndEmbeddings(napi_value object);
  bool MakeThreadSafeFunction();
  // The bytes behind a buffer; null with an exception pending if JavaScript detached it.
  void* BufferData(napi_ref ref, size_t bytes);

  // The handle behind `this` of a call; null with an exception pending if it is foreign or closed.
  static EngineHandle* OpenHandleOf(napi_env env, napi_callback_info info, napi_value* argument);
  static EngineHandle* HandleOf(napi_env env, napi_callback_info info, napi_value* argument);
  static napi_value SubmitStep(napi_env env, napi_callback_info info);
  static napi_value WaitStep(napi_env env, napi_callback_info info);
  static napi_value ReadLogits(napi_env env, napi_callback_info info);
  // exportPages and importPages, by the engine's function that copies.
  template <auto kMove>
  static napi_value MovePages(napi_env env, napi_callback_info info);
  static napi_value Close(napi_env env, napi_callback_info info);
  // adapter_calls.cc: the calls about adapters.
  static napi_value PackAdapter(napi_env env, napi_callback_info info);
  static napi_value WritePages(napi_env env, napi_callback_info info);
  static napi_value SetAdapter(napi_env env, napi_callback_info info);
  static napi_value ClearAdapter(napi_env env, napi_callback_info info);

  static void StepDone(void* handle);
  static void OnMessage(napi_env env, napi_value, void* handle, void* message);
  static void OnFinalize(napi_env env, void* handle, void*);
  static void OnEnvironmentCleanup(void* handle);

  // What exportPages and importPages are given; false with an exception pending unless it fits.
  struct PageMove {
    int32_t kv_group;
    int32_t count;
    int32_t* pages;
    uint8_t* canonical;
  };
  bool ReadPageMove(napi_value argument, PageMove* move);

  // Claims the oldest step if it is done and settles the pending wait.
  void TryClaim();
  void RejectWait(const char* message);
  napi_value StartClose();
  void FinishClose();
  void ReleaseReferences();
  // Ends the native engine on this thread, waiting for what runs.
  void CloseNow();
  // Keeps the event loop and this object alive while something is under way, and no longer.
  void UpdateKeepAlive();

  napi_env env_;
  Engine* engine_ = nullptr;  // null once closed or closing
  int32_t vocab_size_ = 0;
  size_t plan_bytes_ = 0;
  size_t result_bytes_ = 0;
  std::array<napi_ref, 2> plans_ = {};
  std::array<napi_ref, 2> results_ = {};
  // The engine reads them and JavaScript writes them: the last of both frees them.
  std::shared_ptr<void> masks_;
  std::shared_ptr<void> embeddings_;
  napi_ref self_ = nullptr;
  napi_ref close_promise_ = nullptr;
  napi_threadsafe_function to_loop_ = nullptr;
  napi_deferred wait_ = nullptr;
  napi_deferred close_ = nullptr;
  std::thread closer_;
  int32_t running_ = 0;  // steps submitted whose "done" has not arrived
  uint32_t next_result_ = 0;
  bool is_kept_alive_ = false;
  bool is_closing_ = false;
};

}  // namespace fairlane::binding
