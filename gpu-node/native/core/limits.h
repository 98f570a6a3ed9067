// Every bound of the native core, with its unit and reason. A file or a caller that passes one is
// refused.
#pragma once

#include <cstdint>

namespace fairlane {

// Manifest: bytes; a 1,000-layer model needs 1 MB.
inline constexpr int64_t kMaxManifestBytes = int64_t{16} << 20;
// Manifest: tensors; at most twelve a layer and three more.
inline constexpr int32_t kMaxTensors = 16384;
// Manifest: files a model is split into.
inline constexpr int32_t kMaxModelFiles = 1024;
// Manifest: bytes of a name or a path.
inline constexpr int32_t kMaxNameBytes = 128;
inline constexpr int32_t kMaxPathBytes = 4096;
// Model: layers, widths and vocabulary; ten times the largest open models, and products stay below
// 2^63.
inline constexpr int32_t kMaxLayers = 1024;
inline constexpr int32_t kMaxWidth = 1 << 20;
inline constexpr int32_t kMaxVocab = 1 << 22;
inline constexpr int32_t kMaxContextTokens = 1 << 24;

// Engine: compute threads; a larger count only adds barrier time.
inline constexpr int32_t kMaxThreads = 256;
// Engine: pages of the pool and slots; ids stay int32 and the page table of a slot stays in memory.
inline constexpr int32_t kMaxPages = 1 << 24;
inline constexpr int32_t kMaxSlots = 65536;
// Engine: adapters that rows may name; an unset one costs 100 bytes.
inline constexpr int32_t kMaxAdapterSlots = 65536;
// Adapter: bytes of a packed one and its tiles; rank 256 on all layers of a 70B model is 3.3 GB.
inline constexpr size_t kMaxAdapterBytes = size_t{1} << 33;
inline constexpr int32_t kMaxAdapterTiles = 1 << 24;
// Engine: KV groups of a model; windowed layers and the others, where a model has both.
inline constexpr int32_t kMaxKvGroups = 2;
// Engine: elements of any column of a step plan.
inline constexpr int32_t kMaxCapacity = 1 << 20;
// Engine: bytes of the page pool and of the kept logits; larger than any host of today.
inline constexpr int64_t kMaxPoolBytes = int64_t{1} << 44;
inline constexpr int64_t kMaxScratchBytes = int64_t{1} << 38;
// Engine: steps submitted and not yet claimed; two overlap planning with computing.
inline constexpr int32_t kMaxStepsInFlight = 2;

}  // namespace fairlane
