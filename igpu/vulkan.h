/* Vulkan's functions, found by name: the loader is opened at run time, so that the same library
 * also runs on machines that have no Vulkan. Every function that the engine calls is listed here
 * once. The headers come from the system at build time, and nothing is linked. */
#ifndef IGPU_VULKAN_H
#define IGPU_VULKAN_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include "apus/apus.h"

/* VK_KHR_cooperative_matrix, which Vulkan's headers from before 2024 lack. */
enum {
    VK_MATRIX_FEATURES = 1000506000,
    VK_MATRIX_KIND = 1000506001,
    VK_MATRIX_SINT8 = 3,
    VK_MATRIX_SINT32 = 5,
    VK_MATRIX_SUBGROUP = 3
};
struct vk_matrix_features {
    VkStructureType type;
    void *next;
    VkBool32 matrices, robust;
};
struct vk_matrix_kind {
    VkStructureType type;
    void *next;
    uint32_t m, n, k, a, b, c, result;
    VkBool32 saturating;
    uint32_t scope;
};
typedef VkResult(VKAPI_PTR *vk_get_matrix_kinds)(VkPhysicalDevice device, uint32_t *count,
                                                 struct vk_matrix_kind *kinds);

/* The functions that are found without an instance, through the instance, and through the device.
 * The lists are laid out by hand, because clang-format would indent every line more than the one
 * before. */
/* clang-format off */
#define VK_GLOBAL(X)                                                                               \
    X(CreateInstance) X(EnumerateInstanceVersion)
#define VK_INSTANCE(X)                                                                             \
    X(DestroyInstance) X(EnumeratePhysicalDevices) X(GetPhysicalDeviceProperties2)                 \
    X(GetPhysicalDeviceFeatures2) X(GetPhysicalDeviceQueueFamilyProperties)                        \
    X(GetPhysicalDeviceMemoryProperties) X(GetPhysicalDeviceExternalBufferProperties)              \
    X(CreateDevice) X(GetDeviceProcAddr)
#define VK_DEVICE(X)                                                                               \
    X(DestroyDevice) X(GetDeviceQueue) X(CreateBuffer) X(DestroyBuffer)                            \
    X(GetBufferMemoryRequirements) X(AllocateMemory) X(FreeMemory) X(MapMemory)                    \
    X(BindBufferMemory) X(CreateDescriptorSetLayout) X(DestroyDescriptorSetLayout)                 \
    X(CreatePipelineLayout) X(DestroyPipelineLayout) X(CreateShaderModule) X(DestroyShaderModule)  \
    X(CreateComputePipelines) X(CreatePipelineCache) X(DestroyPipelineCache)                       \
    X(GetPipelineCacheData) X(DestroyPipeline) X(CreateDescriptorPool) X(DestroyDescriptorPool)    \
    X(AllocateDescriptorSets) X(UpdateDescriptorSets) X(CreateCommandPool) X(DestroyCommandPool)   \
    X(AllocateCommandBuffers) X(BeginCommandBuffer) X(EndCommandBuffer) X(CmdBindPipeline)         \
    X(CmdBindDescriptorSets) X(CmdPushConstants) X(CmdDispatch) X(CmdDispatchIndirect)             \
    X(CmdPipelineBarrier) X(CreateSemaphore) X(DestroySemaphore) X(WaitSemaphores)                 \
    X(GetSemaphoreCounterValue) X(QueueSubmit) X(DeviceWaitIdle)
/* clang-format on */

#define VK_MEMBER(name) PFN_vk##name name;
struct vk {
    PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
    VK_GLOBAL(VK_MEMBER)
    VK_INSTANCE(VK_MEMBER)
    VK_DEVICE(VK_MEMBER)
    /* NULL if no device has the extension */
    vk_get_matrix_kinds GetPhysicalDeviceCooperativeMatrixPropertiesKHR;
    /* NULL if the device has not the extension */
    PFN_vkGetMemoryHostPointerPropertiesEXT GetMemoryHostPointerPropertiesEXT;
    apus_port port;
    void *library;
};
#undef VK_MEMBER

/* Each fills its part of the table and returns NULL, or what is missing: vk_open returns a
 * sentence, and then nothing is open; the others return the name of a function. */
const char *vk_open(struct vk *vk, const apus_port *port);
const char *vk_load_instance(struct vk *vk, VkInstance instance);
const char *vk_load_device(struct vk *vk, VkDevice device);
void vk_close(struct vk *vk);

/* The name of the result, such as "VK_ERROR_DEVICE_LOST"; "an unknown error" if it has none
 * here. */
const char *vk_result_text(VkResult result);

#endif
