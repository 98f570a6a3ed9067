// The calls of an engine handle that are about adapters. Packing reads files, so it runs in Node's
// thread pool and answers with a promise; the others are copies of a few pages or of a table and
// are done when they return.
#include <cstring>
#include <iterator>
#include <memory>
#include <string>

#include "binding/engine_handle.h"
#include "binding/napi_values.h"
#include "core/adapter_pack.h"

namespace fairlane::binding {
namespace {

constexpr size_t kErrorBytes = 512;

// Numbers of a module in a spec: layer, module, rank, scaling, then A's and B's file, offset, type,
// rows and columns.
constexpr size_t kSpecNumbers = 14;
constexpr TensorType kSpecTypes[] = {TensorType::kF32, TensorType::kF16, TensorType::kBf16};

struct PackTask {
  AdapterGeometry geometry;
  AdapterSpec spec;
  PackedAdapter packed;
  PackError error;
  bool ok = false;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

// Exact, or what no range check lets through.
int64_t ToInteger(double number) {
  const bool fits = number >= -1 && number <= 9007199254740991.0;
  const auto integer = fits ? static_cast<int64_t>(number) : -1;
  return fits && static_cast<double>(integer) == number ? integer : -1;
}

int32_t ToSmall(double number) {
  const int64_t integer = ToInteger(number);
  return integer > INT32_MAX ? -1 : static_cast<int32_t>(integer);
}

AdapterTensor ReadTensor(const double* numbers) {
  const int64_t type = ToInteger(numbers[2]);
  const bool is_float = type >= 0 && type < static_cast<int64_t>(std::size(kSpecTypes));
  return {ToSmall(numbers[0]), ToInteger(numbers[1]),
          is_float ? kSpecTypes[type] : TensorType::kQ8_0, ToInteger(numbers[3]),
          ToInteger(numbers[4])};
}

bool ReadSpec(napi_env env, napi_value argument, AdapterSpec* spec) {
  void* data = nullptr;
  size_t count = 0;
  if (!ReadStrings(env, argument, "paths", &spec->paths) ||
      !ReadTypedArray(env, argument, "modules", napi_float64_array, &data, &count)) {
    return false;
  }
  const auto* numbers = static_cast<const double*>(data);
  for (size_t i = 0; i + kSpecNumbers <= count; i += kSpecNumbers, numbers += kSpecNumbers) {
    spec->modules.push_back({ToSmall(numbers[0]), static_cast<LoraModule>(ToSmall(numbers[1])),
                             ToSmall(numbers[2]), static_cast<float>(numbers[3]),
                             ReadTensor(numbers + 4), ReadTensor(numbers + 9)});
  }
  return true;
}

void RunPack(napi_env, void* data) {
  auto* task = static_cast<PackTask*>(data);
  task->ok = fairlane::PackAdapter(task->geometry, task->spec, &task->packed, &task->error);
}

void FreeImages(napi_env, void* data, void*) { FreeMemory()(static_cast<uint8_t*>(data)); }

// {pageCount, images, table}
bool MakePacked(napi_env env, PackedAdapter* packed, napi_value* object) {
  napi_value images;
  napi_value image_bytes;
  napi_value table_buffer;
  napi_value table;
  void* words = nullptr;
  const size_t table_bytes = packed->table.size() * sizeof(int32_t);
  if (!Ok(env, napi_create_object(env, object)) ||
      !Ok(env, napi_create_external_arraybuffer(env, packed->images.get(), packed->image_bytes,
                                                FreeImages, nullptr, &images))) {
    return false;
  }
  packed->images.release();
  if (!Ok(env, napi_create_typedarray(env, napi_uint8_array, packed->image_bytes, images, 0,
                                      &image_bytes)) ||
      !Ok(env, napi_create_arraybuffer(env, table_bytes, &words, &table_buffer))) {
    return false;
  }
  std::memcpy(words, packed->table.data(), table_bytes);
  return Ok(env, napi_create_typedarray(env, napi_int32_array, packed->table.size(), table_buffer,
                                        0, &table)) &&
         SetNumber(env, *object, "pageCount", packed->page_count) &&
         Ok(env, napi_set_named_property(env, *object, "images", image_bytes)) &&
         Ok(env, napi_set_named_property(env, *object, "table", table));
}

void Reject(napi_env env, napi_deferred deferred, const PackError& error) {
  napi_value code;
  napi_value text;
  napi_value made;
  if (napi_create_string_utf8(env, error.code, NAPI_AUTO_LENGTH, &code) == napi_ok &&
      napi_create_string_utf8(env, error.message.c_str(), error.message.size(), &text) == napi_ok &&
      napi_create_error(env, code, text, &made) == napi_ok) {
    napi_reject_deferred(env, deferred, made);
  }
}

void FinishPack(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<PackTask> task(static_cast<PackTask*>(data));
  napi_delete_async_work(env, task->work);
  if (status != napi_ok) return;  // the environment is going down
  napi_value packed;
  if (task->ok && MakePacked(env, &task->packed, &packed)) {
    napi_resolve_deferred(env, task->deferred, packed);
    return;
  }
  napi_value exception;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) napi_get_and_clear_last_exception(env, &exception);
  Reject(env, task->deferred,
         task->ok ? PackError{"out_of_memory", "no memory for a packed adapter"} : task->error);
}

}  // namespace

napi_value EngineHandle::PackAdapter(napi_env env, napi_callback_info info) {
  napi_value argument;
  EngineHandle* handle = OpenHandleOf(env, info, &argument);
  if (handle == nullptr) return nullptr;
  auto task = std::make_unique<PackTask>();
  task->geometry = *fairlane_engine_adapter_geometry(handle->engine_);
  napi_value promise;
  napi_value name;
  if (!ReadSpec(env, argument, &task->spec) ||
      !Ok(env, napi_create_string_utf8(env, "fairlane adapter", NAPI_AUTO_LENGTH, &name)) ||
      !Ok(env, napi_create_async_work(env, nullptr, name, RunPack, FinishPack, task.get(),
                                      &task->work)) ||
      !Ok(env, napi_create_promise(env, &task->deferred, &promise)) ||
      !Ok(env, napi_queue_async_work(env, task->work))) {
    return nullptr;
  }
  task.release();  // FinishPack has it
  return promise;
}

napi_value EngineHandle::WritePages(napi_env env, napi_callback_info info) {
  napi_value argument;
  EngineHandle* handle = OpenHandleOf(env, info, &argument);
  void* pages = nullptr;
  void* images = nullptr;
  size_t count = 0;
  size_t bytes = 0;
  if (handle == nullptr ||
      !ReadTypedArray(env, argument, "pages", napi_int32_array, &pages, &count) ||
      !ReadTypedArray(env, argument, "images", napi_uint8_array, &images, &bytes)) {
    return nullptr;
  }
  const auto page_bytes = static_cast<size_t>(fairlane_engine_info(handle->engine_).page_bytes);
  if (bytes != count * page_bytes) return Throw(env, "images must hold the pages, and no more");
  const auto status =
      fairlane_engine_write_pages(handle->engine_, static_cast<const int32_t*>(pages),
                                  static_cast<int32_t>(count), static_cast<const uint8_t*>(images));
  return status == kEngineOk ? nullptr : Throw(env, "a page does not exist");
}

napi_value EngineHandle::SetAdapter(napi_env env, napi_callback_info info) {
  napi_value argument;
  EngineHandle* handle = OpenHandleOf(env, info, &argument);
  int32_t slot = 0;
  void* table = nullptr;
  void* pages = nullptr;
  size_t words = 0;
  size_t count = 0;
  if (handle == nullptr || !ReadInt32(env, argument, "adapterSlot", &slot) ||
      !ReadTypedArray(env, argument, "table", napi_int32_array, &table, &words) ||
      !ReadTypedArray(env, argument, "pages", napi_int32_array, &pages, &count)) {
    return nullptr;
  }
  const AdapterPlaces places = {static_cast<const int32_t*>(table), static_cast<int32_t>(words),
                                static_cast<const int32_t*>(pages), static_cast<int32_t>(count)};
  char error[kErrorBytes] = "a submitted step names the adapter slot";
  const auto status =
      fairlane_engine_set_adapter(handle->engine_, slot, &places, error, sizeof(error));
  return status == kEngineOk ? nullptr : Throw(env, error);
}

napi_value EngineHandle::ClearAdapter(napi_env env, napi_callback_info info) {
  napi_value argument;
  EngineHandle* handle = OpenHandleOf(env, info, &argument);
  int32_t slot = 0;
  if (handle == nullptr || !ToInt32(env, argument, "adapterSlot", &slot)) return nullptr;
  const auto status = fairlane_engine_clear_adapter(handle->engine_, slot);
  if (status == kEngineBusy) return Throw(env, "a submitted step names the adapter slot");
  return status == kEngineOk ? nullptr : Throw(env, "there is no such adapter slot");
}

}  // namespace fairlane::binding
