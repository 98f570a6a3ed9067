// See napi_values.h.
#include "binding/napi_values.h"

#include <cmath>

namespace fairlane::binding {
namespace {

constexpr size_t kMaxStringBytes = 8192;  // paths are the longest strings that cross

bool TypeError(napi_env env, const char* name, const char* expected) {
  const std::string message = std::string(name) + " must be " + expected;
  napi_throw_type_error(env, nullptr, message.c_str());
  return false;
}

bool Property(napi_env env, napi_value object, const char* name, napi_value* value,
              napi_valuetype* type) {
  return Ok(env, napi_get_named_property(env, object, name, value)) &&
         Ok(env, napi_typeof(env, *value, type));
}

bool ToString(napi_env env, napi_value text, const char* name, std::string* value) {
  napi_valuetype type;
  if (!Ok(env, napi_typeof(env, text, &type))) return false;
  if (type != napi_string) return TypeError(env, name, "a string");
  char buffer[kMaxStringBytes];
  size_t bytes = 0;
  if (!Ok(env, napi_get_value_string_utf8(env, text, nullptr, 0, &bytes))) return false;
  if (bytes >= sizeof(buffer)) return TypeError(env, name, "a string of at most 8191 bytes");
  if (!Ok(env, napi_get_value_string_utf8(env, text, buffer, sizeof(buffer), &bytes))) return false;
  value->assign(buffer, bytes);
  if (value->find('\0') != std::string::npos) return TypeError(env, name, "a string without NUL");
  return true;
}

}  // namespace

napi_value Throw(napi_env env, const std::string& message) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, nullptr, message.c_str());
  return nullptr;
}

bool Ok(napi_env env, napi_status status) {
  if (status == napi_ok) return true;
  const napi_extended_error_info* info = nullptr;
  std::string message = "Node-API call failed";
  if (napi_get_last_error_info(env, &info) == napi_ok && info->error_message != nullptr) {
    message += std::string(": ") + info->error_message;
  }
  Throw(env, message);
  return false;
}

bool ReadString(napi_env env, napi_value object, const char* name, std::string* value) {
  napi_value property;
  napi_valuetype type;
  return Property(env, object, name, &property, &type) && ToString(env, property, name, value);
}

bool ReadStrings(napi_env env, napi_value object, const char* name,
                 std::vector<std::string>* values) {
  napi_value list;
  napi_valuetype type;
  bool is_array = false;
  uint32_t count = 0;
  if (!Property(env, object, name, &list, &type) || !Ok(env, napi_is_array(env, list, &is_array)))
    return false;
  if (!is_array) return TypeError(env, name, "an array of strings");
  if (!Ok(env, napi_get_array_length(env, list, &count))) return false;
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    std::string value;
    if (!Ok(env, napi_get_element(env, list, i, &element)) || !ToString(env, element, name, &value))
      return false;
    values->push_back(value);
  }
  return true;
}
bool ReadTypedArray(napi_env env, napi_value object, const char* name, napi_typedarray_type type,
                    void** data, size_t* count) {
  napi_value value;
  napi_valuetype value_type;
  bool is_typed_array = false;
  if (!Property(env, object, name, &value, &value_type) ||
      !Ok(env, napi_is_typedarray(env, value, &is_typed_array))) {
    return false;
  }
  napi_typedarray_type actual = napi_float64_array;
  if (is_typed_array &&
      !Ok(env, napi_get_typedarray_info(env, value, &actual, count, data, nullptr, nullptr))) {
    return false;
  }
  return (is_typed_array && actual == type) || TypeError(env, name, "another typed array");
}

bool ToInt32(napi_env env, napi_value value, const char* name, int32_t* result) {
  napi_valuetype type;
  double number = 0;
  if (!Ok(env, napi_typeof(env, value, &type))) return false;
  if (type != napi_number) return TypeError(env, name, "a number");
  if (!Ok(env, napi_get_value_double(env, value, &number))) return false;
  const bool exact = number >= INT32_MIN && number <= INT32_MAX && std::trunc(number) == number;
  if (!exact) return TypeError(env, name, "a 32-bit integer");
  *result = static_cast<int32_t>(number);
  return true;
}

bool ReadInt32(napi_env env, napi_value object, const char* name, int32_t* value) {
  napi_value property;
  return Ok(env, napi_get_named_property(env, object, name, &property)) &&
         ToInt32(env, property, name, value);
}

bool ReadBool(napi_env env, napi_value object, const char* name, bool* value) {
  napi_value property;
  napi_valuetype type;
  if (!Property(env, object, name, &property, &type)) return false;
  if (type != napi_boolean) return TypeError(env, name, "a boolean");
  return Ok(env, napi_get_value_bool(env, property, value));
}

bool ReadObject(napi_env env, napi_value object, const char* name, napi_value* value) {
  napi_valuetype type;
  if (!Property(env, object, name, value, &type)) return false;
  return type == napi_object || TypeError(env, name, "an object");
}

bool SetNumber(napi_env env, napi_value object, const char* name, double value) {
  napi_value number;
  return Ok(env, napi_create_double(env, value, &number)) &&
         Ok(env, napi_set_named_property(env, object, name, number));
}

bool SetString(napi_env env, napi_value object, const char* name, const char* value) {
  napi_value string;
  return Ok(env, napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &string)) &&
         Ok(env, napi_set_named_property(env, object, name, string));
}

}  // namespace fairlane::binding
