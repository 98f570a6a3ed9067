// See page_pool.h.
#include "core/page_pool.h"

#include "core/limits.h"

namespace fairlane {
namespace {

constexpr size_t kPageAlignBytes = 64;

}  // namespace

bool PagePool::Open(int32_t page_count, size_t page_bytes, std::string* error) {
  page_bytes_ = (page_bytes + kPageAlignBytes - 1) / kPageAlignBytes * kPageAlignBytes;
  page_count_ = page_count;
  if (page_bytes_ > static_cast<size_t>(kMaxPoolBytes / page_count)) {
    *error = "a pool of " + std::to_string(page_count) + " pages of " +
             std::to_string(page_bytes_) + " bytes is too large";
    return false;
  }
  if (!buffer_.Allocate(page_bytes_ * static_cast<size_t>(page_count))) {
    *error = "no memory for " + std::to_string(page_count) + " pages of " +
             std::to_string(page_bytes_) + " bytes";
    return false;
  }
  return true;
}

}  // namespace fairlane
