// Contract of a backend's worker pool: run a function for every item of a range, each item exactly
// once, on the calling thread and the pool's own threads, and return when all are done. Items are
// claimed one by one.
#pragma once

#include <cstdint>

namespace fairlane {

struct Pool;  // the backend's own

using ParallelItemFn = void (*)(void* context, int32_t item);

// `threads` counts the caller: 1 makes a pool without threads, whose run is a plain loop. Null on
// failure.
using OpenPoolFn = Pool* (*)(int32_t threads);
using ClosePoolFn = void (*)(Pool* pool);
using RunParallelFn = void (*)(Pool* pool, int32_t items, ParallelItemFn run, void* context);

}  // namespace fairlane
