// Owns the small step from a lambda to the backend's parallel run. The lambda takes an item and
// must not throw.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/backend.h"

namespace fairlane {

// A backend with its opened pool; runs items on all threads.
class Workers {
 public:
  Workers() = default;
  ~Workers() { Close(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // `pins`: the pool's own threads stay on a CPU each.
  bool Open(const Backend* backend, int32_t threads, bool pins = false) {
    Close();
    backend_ = backend;
    pool_ = backend->open_pool(threads, pins);
    thread_count_ = threads;
    return pool_ != nullptr;
  }
  void Close() {
    if (pool_ != nullptr) backend_->close_pool(pool_);
    pool_ = nullptr;
  }

  bool is_open() const { return pool_ != nullptr; }
  int32_t thread_count() const { return thread_count_; }

  // Unopened workers are the calling thread.
  template <typename Function>
  void For(int32_t items, Function&& function) const {
    if (pool_ == nullptr) {
      for (int32_t item = 0; item < items; ++item) function(item);
      return;
    }
    const auto call = [](void* context, int32_t item) {
      (*static_cast<std::remove_reference_t<Function>*>(context))(item);
    };
    backend_->run_parallel(pool_, items, call,
                           const_cast<void*>(static_cast<const void*>(&function)));
  }

  // Splits [0, count) in pieces of `piece` and calls function(begin, end) for each.
  template <typename Function>
  void ForPieces(int32_t count, int32_t piece, Function&& function) const {
    For((count + piece - 1) / piece,
        [&](int32_t item) { function(item * piece, std::min(count, (item + 1) * piece)); });
  }

 private:
  const Backend* backend_ = nullptr;
  Pool* pool_ = nullptr;
  int32_t thread_count_ = 1;
};

}  // namespace fairlane
