// What node:crypto and node:zlib compute, without the 13 ms that loading those two takes at start-up. These functions
// of OpenSSL and zlib are in Node's binary; they are plain C and have been stable for years.
#include "digests.h"

#include <memory>

#include "node-api.h"
#include "subjects.h"
#include "symbols.h"

namespace {

struct DigestFunctions {
  int (*evp_digest)(const void* data, size_t count, uint8_t* digest, unsigned* size, const void* type, void* engine);
  const void* (*evp_sha256)();
  void* (*context_new)();
  void (*context_free)(void* context);
  int (*digest_init)(void* context, const void* type, void* engine);
  int (*digest_update)(void* context, const void* data, size_t size);
  int (*digest_final)(void* context, uint8_t* digest, unsigned* size);
  unsigned long (*crc32)(unsigned long crc, const uint8_t* data, unsigned length);
  void* (*hmac_new)();
  void (*hmac_free)(void* hmac);
  int (*hmac_init)(void* hmac, const void* secret, int size, const void* type, void* engine);
  int (*hmac_update)(void* hmac, const uint8_t* data, size_t size);
  int (*hmac_final)(void* hmac, uint8_t* digest, unsigned* size);
};

const DigestFunctions& Functions() {
  static const DigestFunctions functions = [] {
    DigestFunctions digests{};
    Resolve(digests.evp_digest, "EVP_Digest");
    Resolve(digests.evp_sha256, "EVP_sha256");
    Resolve(digests.context_new, "EVP_MD_CTX_new");
    Resolve(digests.context_free, "EVP_MD_CTX_free");
    Resolve(digests.digest_init, "EVP_DigestInit_ex");
    Resolve(digests.digest_update, "EVP_DigestUpdate");
    Resolve(digests.digest_final, "EVP_DigestFinal_ex");
    Resolve(digests.crc32, "crc32");
    if (!digests.crc32) Resolve(digests.crc32, "Cr_z_crc32");
    Resolve(digests.hmac_new, "HMAC_CTX_new");
    Resolve(digests.hmac_free, "HMAC_CTX_free");
    Resolve(digests.hmac_init, "HMAC_Init_ex");
    Resolve(digests.hmac_update, "HMAC_Update");
    Resolve(digests.hmac_final, "HMAC_Final");
    return digests;
  }();
  return functions;
}

// sha256(Uint8Array) -> Buffer of 32 bytes, or undefined where Node's binary does not have OpenSSL's functions
napi_value Sha256(napi_env env, napi_callback_info info) {
  napi_value args[1];
  ByteSpan bytes{};
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], bytes)) return ThrowTypeError(env, "Expected a Uint8Array");
  Sha256Digest digest;
  return ComputeSha256(bytes, digest) ? CopyToBuffer(env, {digest, sizeof digest}) : Undefined(env);
}

// crc32(Uint8Array) -> number, or undefined where Node's binary does not have zlib's function
napi_value Crc32(napi_env env, napi_callback_info info) {
  napi_value args[1];
  ByteSpan bytes{};
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], bytes)) return ThrowTypeError(env, "Expected a Uint8Array");
  uint32_t checksum = 0;
  return ComputeCrc32(bytes, checksum) ? Uint32(env, checksum) : Undefined(env);
}

// hmacSha256(secret: Uint8Array, parts: Uint8Array[]) -> Buffer of 32 bytes, or undefined as sha256
napi_value HmacSha256(napi_env env, napi_callback_info info) {
  napi_value args[2];
  ByteSpan secret{};
  uint32_t count = 0;
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], secret) || secret.size > INT32_MAX ||
      napi_get_array_length(env, args[1], &count) != napi_ok) {
    return ThrowTypeError(env, "Expected a Uint8Array and an array of them");
  }
  const DigestFunctions& digests = Functions();
  if (!digests.evp_sha256 || !digests.hmac_new || !digests.hmac_free || !digests.hmac_init || !digests.hmac_update ||
      !digests.hmac_final) {
    return Undefined(env);
  }
  std::unique_ptr<void, void (*)(void*)> hmac(digests.hmac_new(), digests.hmac_free);
  bool is_done = hmac && digests.hmac_init(hmac.get(), secret.data, static_cast<int>(secret.size), digests.evp_sha256(),
                                           nullptr) == 1;
  for (uint32_t index = 0; is_done && index < count; index++) {
    napi_value value = nullptr;
    ByteSpan part{};
    napi_get_element(env, args[1], index, &value);
    if (!BytesOf(env, value, part)) return ThrowTypeError(env, "Expected an array of Uint8Arrays");
    is_done = digests.hmac_update(hmac.get(), part.data, part.size) == 1;
  }
  Sha256Digest digest;
  unsigned size = sizeof digest;
  is_done = is_done && digests.hmac_final(hmac.get(), digest, &size) == 1 && size == sizeof digest;
  return is_done ? CopyToBuffer(env, {digest, sizeof digest}) : Undefined(env);
}

}  // namespace

bool ComputeSha256(ByteSpan bytes, Sha256Digest& digest) {
  const DigestFunctions& digests = Functions();
  return digests.evp_digest && digests.evp_sha256 &&
         digests.evp_digest(bytes.data, bytes.size, digest, nullptr, digests.evp_sha256(), nullptr) == 1;
}

Sha256Stream::Sha256Stream() {
  const DigestFunctions& digests = Functions();
  if (!digests.evp_sha256 || !digests.context_new || !digests.context_free || !digests.digest_init ||
      !digests.digest_update || !digests.digest_final) {
    return;
  }
  context_ = digests.context_new();
  is_ok_ = context_ && digests.digest_init(context_, digests.evp_sha256(), nullptr) == 1;
}

Sha256Stream::~Sha256Stream() {
  if (context_) Functions().context_free(context_);
}

void Sha256Stream::Add(ByteSpan bytes) {
  is_ok_ = is_ok_ && Functions().digest_update(context_, bytes.data, bytes.size) == 1;
}

bool Sha256Stream::Finish(Sha256Digest& digest) {
  return is_ok_ && Functions().digest_final(context_, digest, nullptr) == 1;
}

bool ComputeCrc32(ByteSpan bytes, uint32_t& checksum) {
  if (!Functions().crc32) return false;
  constexpr size_t step = size_t{1} << 30;  // zlib counts in unsigned int
  unsigned long crc = checksum;
  for (size_t at = 0; at < bytes.size; at += step) {
    size_t length = bytes.size - at < step ? bytes.size - at : step;
    crc = Functions().crc32(crc, bytes.data + at, static_cast<unsigned>(length));
  }
  checksum = static_cast<uint32_t>(crc);
  return true;
}

void ExportDigests(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "sha256", Sha256);
  ExportFunction(env, exports, "crc32", Crc32);
  ExportFunction(env, exports, "hmacSha256", HmacSha256);
}
