/* Vulkan by name: the loader is opened at run time, so that the same library runs where there is
 * none. Every function the engine calls is listed here once. Headers come from the system at build
 * time; nothing is linked. */
#ifndef IGPU_VULKAN_H
#define IGPU_VULKAN_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include "apus/apus.h"

/* VK_KHR_cooperative_matrix, which headers before 2024 lack. */
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

/* Found without an instance, through it, and through the device. Laid out by hand: clang-format
 * would indent every line of a list more than the one before. */
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
    /* NULL where no device has it */
    vk_get_matrix_kinds GetPhysicalDeviceCooperativeMatrixPropertiesKHR;
    /* NULL without the extension */
    PFN_vkGetMemoryHostPointerPropertiesEXT GetMemoryHostPointerPropertiesEXT;
    apus_port port;
    void *library;
};
#undef VK_MEMBER

/* Each fills its part of the table. NULL, or what is missing: a sentence of vk_open (which then
 * holds nothing), a function's name of the others. */
const char *vk_open(struct vk *vk, const apus_port *port);
const char *vk_load_instance(struct vk *vk, VkInstance instance);
const char *vk_load_device(struct vk *vk, VkDevice device);
void vk_close(struct vk *vk);

/* "VK_ERROR_DEVICE_LOST" and the like; "an unknown error" for others. */
const char *vk_result_text(VkResult result);

#endif
