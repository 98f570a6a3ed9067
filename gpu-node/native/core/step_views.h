// Owns the views of the columns inside plan and result buffers, generated from the lists of
// step_layout.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/step_layout.h"

namespace fairlane {

using i32 = int32_t;
using f32 = float;

inline constexpr size_t AlignColumn(size_t bytes) {
  return (bytes + kColumnAlignBytes - 1) / kColumnAlignBytes * kColumnAlignBytes;
}

struct PlanView {
  const int32_t* header;
#define FAIRLANE_FIELD(name, type, capacity) const type* name;
  FAIRLANE_PLAN_COLUMNS(FAIRLANE_FIELD)
#undef FAIRLANE_FIELD
};

struct ResultView {
  int32_t* header;
#define FAIRLANE_FIELD(name, type, capacity) type* name;
  FAIRLANE_RESULT_COLUMNS(FAIRLANE_FIELD)
#undef FAIRLANE_FIELD
};

inline size_t PlanBytes(const StepCapacity& capacity) {
  size_t offset = kHeaderWords * sizeof(int32_t);
#define FAIRLANE_ADD(name, type, field) \
  offset = AlignColumn(offset) + sizeof(type) * static_cast<size_t>(capacity.field);
  FAIRLANE_PLAN_COLUMNS(FAIRLANE_ADD)
#undef FAIRLANE_ADD
  return AlignColumn(offset);
}

inline size_t ResultBytes(const StepCapacity& capacity) {
  size_t offset = kHeaderWords * sizeof(int32_t);
#define FAIRLANE_ADD(name, type, field) \
  offset = AlignColumn(offset) + sizeof(type) * static_cast<size_t>(capacity.field);
  FAIRLANE_RESULT_COLUMNS(FAIRLANE_ADD)
#undef FAIRLANE_ADD
  return AlignColumn(offset);
}

inline PlanView ViewPlan(const StepCapacity& capacity, const uint8_t* buffer) {
  PlanView view;
  view.header = reinterpret_cast<const int32_t*>(buffer);
  size_t offset = kHeaderWords * sizeof(int32_t);
#define FAIRLANE_SET(name, type, field)                       \
  offset = AlignColumn(offset);                               \
  view.name = reinterpret_cast<const type*>(buffer + offset); \
  offset += sizeof(type) * static_cast<size_t>(capacity.field);
  FAIRLANE_PLAN_COLUMNS(FAIRLANE_SET)
#undef FAIRLANE_SET
  return view;
}

inline ResultView ViewResult(const StepCapacity& capacity, uint8_t* buffer) {
  ResultView view;
  view.header = reinterpret_cast<int32_t*>(buffer);
  size_t offset = kHeaderWords * sizeof(int32_t);
#define FAIRLANE_SET(name, type, field)                 \
  offset = AlignColumn(offset);                         \
  view.name = reinterpret_cast<type*>(buffer + offset); \
  offset += sizeof(type) * static_cast<size_t>(capacity.field);
  FAIRLANE_RESULT_COLUMNS(FAIRLANE_SET)
#undef FAIRLANE_SET
  return view;
}

}  // namespace fairlane
