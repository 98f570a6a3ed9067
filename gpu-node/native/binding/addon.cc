// The addon's exports: openEngine, the layout version and the ISA plug-ins this CPU can run. This
// folder is the only one that includes Node-API; the typed contract is src/engine/native-addon.ts.
#include <node_api.h>

#include <string>

#include "binding/engine_handle.h"
#include "binding/napi_values.h"
#include "core/engine.h"
#include "core/plugin.h"
#include "core/step_layout.h"

namespace fairlane::binding {
namespace {

// Room for a table of kernels or for why there is none.
constexpr size_t kKernelTextBytes = 1024;

bool ReadCapacity(napi_env env, napi_value options, StepCapacity* capacity) {
  napi_value object;
  return ReadObject(env, options, "capacity", &object) &&
         ReadInt32(env, object, "rows", &capacity->rows) &&
         ReadInt32(env, object, "tokens", &capacity->tokens) &&
         ReadInt32(env, object, "page_updates", &capacity->page_updates) &&
         ReadInt32(env, object, "sampling_updates", &capacity->sampling_updates) &&
         ReadInt32(env, object, "slot_resets", &capacity->slot_resets) &&
         ReadInt32(env, object, "bias_updates", &capacity->bias_updates) &&
         ReadInt32(env, object, "top_tokens", &capacity->top_tokens) &&
         ReadInt32(env, object, "copied_pages", &capacity->copied_pages);
}

// The only argument of a call, or null after having thrown `refusal` where it is no object.
napi_value OptionsArgument(napi_env env, napi_callback_info info, const char* refusal) {
  size_t count = 1;
  napi_value argument;
  napi_valuetype type;
  if (!Ok(env, napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr)) ||
      !Ok(env, napi_typeof(env, argument, &type))) {
    return nullptr;
  }
  return type == napi_object ? argument : Throw(env, refusal);
}

// Texts that say which kernels run. They own what `options` points to.
struct KernelTexts {
  std::string plugin_folder;
  std::string isa;
  std::string numerics;
  std::string attention;
  std::string kernels_path;

  bool ReadInto(napi_env env, napi_value argument, EngineOptions* options) {
    const bool read = ReadString(env, argument, "pluginFolder", &plugin_folder) &&
                      ReadString(env, argument, "isa", &isa) &&
                      ReadString(env, argument, "numerics", &numerics) &&
                      ReadString(env, argument, "attention", &attention) &&
                      ReadString(env, argument, "kernelsPath", &kernels_path);
    options->plugin_folder = plugin_folder.c_str();
    options->isa = isa.c_str();
    options->numerics = numerics.c_str();
    options->attention = attention.c_str();
    options->kernels_path = kernels_path.empty() ? nullptr : kernels_path.c_str();
    return read;
  }
};

// The text of a plug-in's table of kernels: measured, or what an engine would use.
napi_value KernelTable(napi_env env, napi_callback_info info) {
  const napi_value argument = OptionsArgument(env, info, "kernelTable takes an object of options");
  if (argument == nullptr) return nullptr;
  EngineOptions options = {};
  KernelTexts texts;
  bool measures = false;
  if (!texts.ReadInto(env, argument, &options)) return nullptr;
  if (!ReadBool(env, argument, "measures", &measures)) return nullptr;
  char text[kKernelTextBytes];
  if (!fairlane_kernel_table(&options, measures, text, sizeof(text))) return Throw(env, text);
  napi_value made;
  return Ok(env, napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &made)) ? made : nullptr;
}

napi_value OpenEngine(napi_env env, napi_callback_info info) {
  const napi_value argument = OptionsArgument(env, info, "openEngine takes an object of options");
  if (argument == nullptr) return nullptr;
  EngineOptions options = {};
  KernelTexts texts;
  std::string manifest_path;
  std::string kv_type;
  std::string adapter_type;
  const bool read = texts.ReadInto(env, argument, &options) &&
                    ReadString(env, argument, "manifestPath", &manifest_path) &&
                    ReadString(env, argument, "kvType", &kv_type) &&
                    ReadString(env, argument, "adapterType", &adapter_type) &&
                    ReadInt32(env, argument, "adapterSlots", &options.adapter_slots) &&
                    ReadInt32(env, argument, "pageCount", &options.page_count) &&
                    ReadInt32(env, argument, "slotCount", &options.slot_count) &&
                    ReadInt32(env, argument, "threadCount", &options.thread_count) &&
                    ReadBool(env, argument, "pinsThreads", &options.pins_threads) &&
                    ReadBool(env, argument, "keepLogits", &options.keep_logits) &&
                    ReadCapacity(env, argument, &options.capacity);
  if (!read) return nullptr;
  options.manifest_path = manifest_path.c_str();
  options.kv_type = kv_type.c_str();
  options.adapter_type = adapter_type.c_str();
  return EngineHandle::Open(env, options);
}

bool ExportIsas(napi_env env, napi_value exports) {
  napi_value list;
  if (!Ok(env, napi_create_array(env, &list))) return false;
  uint32_t index = 0;
  for (const std::string& isa : SupportedIsas()) {
    napi_value name;
    if (!Ok(env, napi_create_string_utf8(env, isa.c_str(), isa.size(), &name)) ||
        !Ok(env, napi_set_element(env, list, index++, name))) {
      return false;
    }
  }
  return Ok(env, napi_set_named_property(env, exports, "supportedIsas", list));
}

}  // namespace
}  // namespace fairlane::binding

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */) {
  using namespace fairlane::binding;
  napi_value open;
  napi_value kernel_table;
  const bool made = SetNumber(env, exports, "stepLayoutVersion", fairlane::kStepLayoutVersion) &&
                    ExportIsas(env, exports) &&
                    Ok(env, napi_create_function(env, "openEngine", NAPI_AUTO_LENGTH, OpenEngine,
                                                 nullptr, &open)) &&
                    Ok(env, napi_set_named_property(env, exports, "openEngine", open)) &&
                    Ok(env, napi_create_function(env, "kernelTable", NAPI_AUTO_LENGTH, KernelTable,
                                                 nullptr, &kernel_table)) &&
                    Ok(env, napi_set_named_property(env, exports, "kernelTable", kernel_table));
  return made ? exports : nullptr;
}
