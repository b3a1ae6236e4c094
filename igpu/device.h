/* A Vulkan device that can keep the numeric contract: finding it, saying in words whether and why
 * not it can be used, and opening it.
 *
 * A device must have: Vulkan 1.2, a compute queue, timeline semaphores, rounding to nearest on
 * request for 32-bit floats, indexing of arrays of storage buffers, 10 storage buffers per shader,
 * host-visible coherent memory. Used where the device has them: integer dot products, import of
 * host memory, waves of 64 invocations and cooperative matrices (Vulkan 1.3). Of every other limit
 * the engine needs no more than the least value that the Vulkan specification guarantees. */
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
    uint32_t api;    /* Vulkan version */
    uint32_t family; /* index of the queue family that is used */
    uint32_t vendor, device;
    uint8_t cache_id[VK_UUID_SIZE]; /* identifies the driver's compiled pipelines */
    uint32_t storage_range;         /* most bytes of a buffer that a shader may access */
    int dot, import, wave64;
    uint32_t matrix;   /* 0, or the size (8 or 16) of square cooperative matrices of 8-bit integers
                          with 32-bit sums */
    uint32_t subgroup; /* invocations of a subgroup if waves of 64 are not requested */
    const char *refusal; /* NULL: the device is usable; else why it is not */
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
    _Atomic uint32_t locked; /* the lock of the queue, which serves one thread at a time: 0 free, 1
                                taken, 2 taken while another thread sleeps for it */
};

/* Opens the Vulkan loader and an instance. Returns NULL, or why that is not possible, and then
 * nothing is open. device_close closes both. */
const char *device_instance(struct device *device, const apus_port *port);
/* Reads the facts of the device at `index` in the loader's order. Returns 0 if there is no such
 * device. */
int device_at(const struct device *device, uint32_t index, struct device_facts *facts);
/* Chooses a device and writes its facts into device->facts. wanted: NULL or "" for the best one, a
 * number for that index, else a part of the name, in which letters of either case match. options:
 * NULL, or some of "-dot", "-import", "-wave64" and "-matrix" with commas between. Each of them
 * switches an optional feature off, as a mask does with the CPU's instruction sets. Returns NULL,
 * or why no device was chosen. */
const char *device_choose(struct device *device, const char *wanted, const char *options);
/* Opens the chosen device. Returns VK_SUCCESS, or the error, with the name of the call that failed
 * in *call. */
VkResult device_open(struct device *device, const char **call);
void device_close(struct device *device);

/* Describes the device in words: its name, kind and version, and which optional features it has. */
void device_words(const struct device_facts *facts, struct words *words);

/* Creates a timeline semaphore with the value 0. */
VkResult device_timeline(struct device *device, VkSemaphore *semaphore);

/* Submits `count` command buffers. When they have run, the timeline gets `value`. The caller holds
 * the lock, or no other thread uses the device. */
VkResult device_submit(struct device *device, const VkCommandBuffer *commands, uint32_t count,
                       VkSemaphore timeline, uint64_t value);

void device_lock(struct device *device);
void device_unlock(struct device *device);

#endif
