// Owns the adapters that rows may name: for each adapter slot the place of its tiles in the pool.
// It moves no bytes; which pages belong to which adapter is decided in TypeScript. Invariant: every
// tile of a set slot lies inside the pool, so that a damaged table is refused and never read. A
// slot is changed only while no submitted step names it (engine.h sees to that).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/adapter_layout.h"
#include "core/page_pool.h"
#include "ops/lora.h"

namespace fairlane {

// One module of one layer of an adapter.
struct AdapterModule {
  float scaling;
  LoraMatrix a;  // [rank, inputs]
  LoraMatrix b;  // [rank, outputs]
};

class Adapter {
 public:
  // Null where the adapter leaves the module as it is.
  const AdapterModule* Find(int32_t layer, LoraModule module) const {
    const int32_t at = index_[static_cast<size_t>(layer * kLoraModules + module)];
    return at < 0 ? nullptr : &modules_[static_cast<size_t>(at)];
  }

 private:
  friend class AdapterSlots;
  std::vector<int32_t> index_;  // [layers, kLoraModules] into modules_, -1 for none
  std::vector<AdapterModule> modules_;
  std::vector<const uint8_t*> tiles_;
};

// The table of a packed adapter and the pages of the pool that its images were written to.
struct AdapterPlaces {
  const int32_t* table;
  int32_t words;
  const int32_t* pages;
  int32_t page_count;
};

class AdapterSlots {
 public:
  bool Open(const AdapterGeometry& geometry, const PagePool* pages, int32_t slot_count,
            std::string* error);

  const AdapterGeometry& geometry() const { return geometry_; }
  int32_t slot_count() const { return static_cast<int32_t>(slots_.size()); }
  // False with *error if there is no such slot, it is set, or the table is not sound.
  bool Set(int32_t slot, const AdapterPlaces& places, std::string* error);
  // False if there is no such slot. A slot that is not set stays so.
  bool Clear(int32_t slot);
  // Null unless the slot is set.
  const Adapter* Find(int32_t slot) const {
    if (slot < 0 || slot >= slot_count()) return nullptr;
    const Adapter& adapter = slots_[static_cast<size_t>(slot)];
    return adapter.index_.empty() ? nullptr : &adapter;
  }

 private:
  bool CheckHeader(const AdapterPlaces& places, std::string* error) const;
  bool ReadModule(const AdapterPlaces& places, const int32_t* module, int32_t* next_tile,
                  Adapter* adapter) const;
  bool ReadMatrix(const AdapterPlaces& places, int32_t* next_tile, LoraMatrix* matrix,
                  Adapter* adapter) const;

  AdapterGeometry geometry_;
  const PagePool* pages_ = nullptr;
  std::vector<Adapter> slots_;
};

}  // namespace fairlane
