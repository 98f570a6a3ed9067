// See model_files.h.
#include "core/model_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fairlane {

ModelFiles::~ModelFiles() {
  for (const Map& map : maps_)
    munmap(const_cast<uint8_t*>(map.data), static_cast<size_t>(map.bytes));
}

bool ModelFiles::Open(const Manifest& manifest, std::string* error) {
  for (const ModelFileInfo& file : manifest.files) {
    const int descriptor = open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
      *error = "cannot open the model file " + file.path + ": " + std::strerror(errno);
      return false;
    }
    struct stat status = {};
    if (fstat(descriptor, &status) != 0 || status.st_size != file.bytes) {
      *error = "the model file " + file.path + " has " + std::to_string(status.st_size) +
               " bytes, the manifest says " + std::to_string(file.bytes);
      close(descriptor);
      return false;
    }
    void* data =
        mmap(nullptr, static_cast<size_t>(file.bytes), PROT_READ, MAP_PRIVATE, descriptor, 0);
    const int map_error = errno;
    close(descriptor);
    if (data == MAP_FAILED) {
      *error = "cannot map the model file " + file.path + ": " + std::strerror(map_error);
      return false;
    }
    maps_.push_back({static_cast<const uint8_t*>(data), file.bytes});
  }
  return true;
}

const uint8_t* ModelFiles::DataOf(const TensorInfo& tensor) const {
  return maps_[static_cast<size_t>(tensor.file)].data + tensor.offset;
}

}  // namespace fairlane
