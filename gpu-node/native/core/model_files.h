// Owns the read-only memory maps of a model's files. Invariant: each map is exactly as long as the
// manifest says, so every tensor that the manifest accepted lies inside its map.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/manifest.h"

namespace fairlane {

class ModelFiles {
 public:
  ModelFiles() = default;
  ~ModelFiles();
  ModelFiles(const ModelFiles&) = delete;
  ModelFiles& operator=(const ModelFiles&) = delete;

  // Maps all files; false with *error set if one is missing or of another size.
  bool Open(const Manifest& manifest, std::string* error);
  const uint8_t* DataOf(const TensorInfo& tensor) const;

 private:
  struct Map {
    const uint8_t* data;
    int64_t bytes;
  };
  std::vector<Map> maps_;
};

}  // namespace fairlane
