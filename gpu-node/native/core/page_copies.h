// Owns the page copies of a plan: that they are sound, and the copying itself, before the plan's
// rows run. Who shares a page and until when is decided in TypeScript. Invariant: a page is copied
// as it was before the step, so the order of copies cannot matter.
#pragma once

#include <cstdint>
#include <string>

#include "core/aligned_buffer.h"
#include "core/page_pool.h"
#include "core/parallel_for.h"
#include "core/slot_table.h"
#include "core/step_views.h"

namespace fairlane {

class PageCopies {
 public:
  bool Open(const PagePool* pages, std::string* error);

  // kStepBadPage unless both pages exist and a page that is written is written once and never read.
  StepCheck Check(const PlanView& plan);
  // Copies the bytes. Only after Check.
  void Run(const PlanView& plan, const Workers& workers) const;

 private:
  bool IsPage(int32_t page) const { return page >= 0 && page < pages_->page_count(); }

  const PagePool* pages_ = nullptr;
  AlignedBuffer marks_;  // [pages] uint32: the check in which the page was a source or a target
  uint32_t serial_ = 0;
};

}  // namespace fairlane
