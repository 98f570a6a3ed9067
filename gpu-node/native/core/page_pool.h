// Owns the bytes of all pages: page_count pages of page_bytes each, 64-byte aligned. Who uses a
// page for what is decided in TypeScript; this knows addresses only.
#pragma once

#include <cstdint>
#include <string>

#include "core/aligned_buffer.h"

namespace fairlane {

class PagePool {
 public:
  // False with *error set if the size is out of bounds or there is no memory.
  bool Open(int32_t page_count, size_t page_bytes, std::string* error);

  int32_t page_count() const { return page_count_; }
  size_t page_bytes() const { return page_bytes_; }
  uint8_t* DataOf(int32_t page) const {
    return buffer_.As<uint8_t>() + static_cast<size_t>(page) * page_bytes_;
  }

 private:
  AlignedBuffer buffer_;
  int32_t page_count_ = 0;
  size_t page_bytes_ = 0;
};

}  // namespace fairlane
