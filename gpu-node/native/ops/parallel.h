// Contract of a backend's worker pool: run a function for every item of a range, each item exactly
// once, on the calling thread and the pool's own threads, and return when all are done. Items are
// claimed one by one in ascending order, so an item may wait for earlier ones.
#pragma once

#include <cstdint>

namespace fairlane {

struct Pool;  // the backend's own

using ParallelItemFn = void (*)(void* context, int32_t item);

// `threads` counts the caller: 1 makes a pool without threads, whose run is a plain loop. With
// `pins` each of the pool's own threads, the first being thread 1, is pinned. Null on failure.
using OpenPoolFn = Pool* (*)(int32_t threads, bool pins);
// Keeps the calling thread, as thread `index` of an engine, on one CPU: the one with this index
// among those that it may use, counted round. What the system refuses is left as it is.
using PinThreadFn = void (*)(int32_t index);
using ClosePoolFn = void (*)(Pool* pool);
using RunParallelFn = void (*)(Pool* pool, int32_t items, ParallelItemFn run, void* context);

}  // namespace fairlane
