// See page_copies.h.
#include "core/page_copies.h"

#include <cstring>

namespace fairlane {

bool PageCopies::Open(const PagePool* pages, std::string* error) {
  pages_ = pages;
  if (marks_.Allocate(sizeof(uint32_t) * static_cast<size_t>(pages->page_count()))) return true;
  *error = "no memory for the marks of copied pages";
  return false;
}

StepCheck PageCopies::Check(const PlanView& plan) {
  const int32_t count = plan.header[kPlanPageCopies];
  if (count == 0) return {};
  auto* marks = marks_.As<uint32_t>();
  // Two marks a check: sources may repeat, targets may not and are no sources. The marks start over
  // when their numbers do.
  if (serial_ > UINT32_MAX - 2) {
    std::memset(marks, 0, sizeof(uint32_t) * static_cast<size_t>(pages_->page_count()));
    serial_ = 0;
  }
  const uint32_t source = ++serial_;
  const uint32_t target = ++serial_;
  for (int32_t i = 0; i < count; ++i) {
    if (!IsPage(plan.copy_src_page[i]) || !IsPage(plan.copy_dst_page[i])) return {kStepBadPage, i};
    marks[plan.copy_src_page[i]] = source;
  }
  for (int32_t i = 0; i < count; ++i) {
    uint32_t& mark = marks[plan.copy_dst_page[i]];
    if (mark == source || mark == target) return {kStepBadPage, i};
    mark = target;
  }
  return {};
}

void PageCopies::Run(const PlanView& plan, const Workers& workers) const {
  workers.For(plan.header[kPlanPageCopies], [&](int32_t i) {
    std::memcpy(pages_->DataOf(plan.copy_dst_page[i]), pages_->DataOf(plan.copy_src_page[i]),
                pages_->page_bytes());
  });
}

}  // namespace fairlane
