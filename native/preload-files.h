// What the thread that preloads reads and writes in a cache folder, besides artifacts:
//
// - programs/<program>.preload: a line for each change. "+<key> <wire length>": the program used this module, and it
// was
//   not preloaded. "-<key> 0": it was preloaded, and the program did not use it.
// - wire-bytes/<key>.wasm: the wire bytes. Their name is their hash, so it does not matter who wrote them.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "byte-span.h"
#include "trusted-files.h"

struct PlannedModule {
  std::string key;  // SHA-256, 64 digits
  uint64_t wire_length;
};

// The most of one program. Each costs time when the program starts.
constexpr size_t kMaxPreloaded = 32;

class PreloadFiles {
 public:
  PreloadFiles(std::string directory, std::string program);

  // The modules that the program used in most of its last runs, the largest first.
  std::vector<PlannedModule> ReadPlan() const;

  // Notes what the program used, or did not use.
  void Note(const std::vector<PlannedModule>& used, const std::vector<PlannedModule>& unused) const;

  // The descriptor of an artifact, or -1.
  int OpenArtifact(const std::string& engine_folder, const std::string& key) const;

  // Whether a load of the artifact did not finish, or is under way: JavaScript decides what that means.
  bool HasLoadingNote(const std::string& engine_folder, const std::string& key) const;
  std::string LoadingNote(const std::string& engine_folder, const std::string& key) const;

  // Hands them out in pieces, until `stop` becomes true. False unless they are there and have this hash, which is known
  // only after the last piece.
  bool ReadWireBytes(const PlannedModule& module, const std::function<void(ByteSpan)>& take,
                     const std::atomic<bool>& stop) const;

  // Writes them, unless they are there. Gives up when `stop` becomes true.
  bool KeepWireBytes(const std::string& key, ByteSpan bytes, const std::atomic<bool>& stop) const;

 private:
  bool Enter(TrustedFolder& folder, const char* name, bool makes) const;

  std::string directory_;
  std::string program_;
};
