/* A Vulkan device that can keep the contract: found, judged in words, opened.
 *
 * Asked of a device: Vulkan 1.2, a compute queue, timeline semaphores, rounding to nearest on
 * request for 32-bit floats, indexing of arrays of storage buffers, 10 storage buffers a shader,
 * host-visible coherent memory. Used where present: integer dot products, import of host memory,
 * waves of 64 and cooperative matrices (Vulkan 1.3). Everything else has a least value in the
 * Vulkan specification that the engine stays within. */
#ifndef IGPU_DEVICE_H
#define IGPU_DEVICE_H

#include <stdatomic.h>

#include "igpu/vulkan.h"
#include "hal/words.h"

enum { DEVICES_MAX = 16 };

/* What is known of a device before it is opened. */
struct device_facts {
    VkPhysicalDevice physical;
    char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
    VkPhysicalDeviceType type;
    uint32_t api; /* version */
    uint32_t family;
    uint32_t vendor, device;
    uint8_t cache_id[VK_UUID_SIZE]; /* of what its driver compiles */
    uint32_t storage_range;         /* bytes that a shader may see of a buffer */
    int dot, import, wave64;
    uint32_t matrix;   /* 0, or the size of square cooperative matrices of 8 bits with sums of 32 */
    uint32_t subgroup; /* its invocations, where waves of 64 are not asked for */
    const char *refusal; /* NULL: usable */
};

struct device {
    struct vk vk;
    VkInstance instance;
    struct device_facts facts;
    VkDevice handle;
    VkQueue queue;
    VkPhysicalDeviceMemoryProperties memory;
    uint64_t import_alignment;
    apus_port port;
    _Atomic uint32_t locked; /* the queue serves one thread at a time: 0 free, 1 taken, 2 taken and
                                someone sleeps */
};

/* Opens the loader and an instance; NULL, or why not. device_close undoes it. */
const char *device_instance(struct device *device, const apus_port *port);
/* Facts of the device at `index` in the loader's order; 0 where there is none. */
int device_at(const struct device *device, uint32_t index, struct device_facts *facts);
/* Chooses by `wanted` (NULL or "": the best; a number: that index; else a part of the name, letters
 * of either case) into device->facts. options: NULL, or "-dot", "-import", "-wave64" and "-matrix"
 * with commas between: each switches an optional feature off, as a mask does with the CPU's
 * instruction sets. NULL, or why not. */
const char *device_choose(struct device *device, const char *wanted, const char *options);
/* Opens the chosen device. VK_SUCCESS or what failed, with the call in *call. */
VkResult device_open(struct device *device, const char **call);
void device_close(struct device *device);

/* In words: name, kind, version, what of the optional features it has. */
void device_words(const struct device_facts *facts, struct words *words);

/* A timeline semaphore at 0. */
VkResult device_timeline(struct device *device, VkSemaphore *semaphore);

/* Submits `count` command buffers, after which the timeline has `value`. The caller has the lock,
 * or the device to itself. */
VkResult device_submit(struct device *device, const VkCommandBuffer *commands, uint32_t count,
                       VkSemaphore timeline, uint64_t value);

void device_lock(struct device *device);
void device_unlock(struct device *device);

#endif
