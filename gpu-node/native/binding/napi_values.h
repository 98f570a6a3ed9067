// Owns the reading of JavaScript values: each reader returns false with a JavaScript TypeError
// pending when the value is missing, of the wrong type or out of range. No C++ exception crosses
// the border.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <string>
#include <vector>

namespace fairlane::binding {

// Throws a JavaScript Error unless one is pending already; always returns null, for `return
// Throw(...)`.
napi_value Throw(napi_env env, const std::string& message);

// False with an Error pending when a Node-API call failed.
bool Ok(napi_env env, napi_status status);

bool ReadString(napi_env env, napi_value object, const char* name, std::string* value);
bool ReadInt32(napi_env env, napi_value object, const char* name, int32_t* value);
bool ReadBool(napi_env env, napi_value object, const char* name, bool* value);
bool ReadObject(napi_env env, napi_value object, const char* name, napi_value* value);

// The elements of a typed array of this type, and how many there are.
bool ReadTypedArray(napi_env env, napi_value object, const char* name, napi_typedarray_type type,
                    void** data, size_t* count);

// The strings of an array.
bool ReadStrings(napi_env env, napi_value object, const char* name,
                 std::vector<std::string>* values);

// Any JavaScript number that is an exact int32.
bool ToInt32(napi_env env, napi_value value, const char* name, int32_t* result);

bool SetNumber(napi_env env, napi_value object, const char* name, double value);
bool SetString(napi_env env, napi_value object, const char* name, const char* value);

}  // namespace fairlane::binding
