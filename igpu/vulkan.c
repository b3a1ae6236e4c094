#include "igpu/vulkan.h"

#include <string.h>

struct entry {
    const char *name;
    size_t offset; /* in struct vk */
};
#define VK_ENTRY(name) {"vk" #name, offsetof(struct vk, name)},
static const struct entry of_loader[] = {VK_GLOBAL(VK_ENTRY)},
                          of_instance[] = {VK_INSTANCE(VK_ENTRY)},
                          of_device[] = {VK_DEVICE(VK_ENTRY)};
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Copies the bits of a symbol's address into a pointer to a function. C does not define a cast from
 * a pointer to an object to a pointer to a function. */
static void set_pointer(struct vk *vk, size_t offset, const void *symbol) {
    memcpy((uint8_t *)vk + offset, symbol, sizeof(void *));
}

/* Loads the functions of the device if there is one, else of the instance, and without both of the
 * loader. Returns the name of a function that is missing, or NULL. */
static const char *load(struct vk *vk, VkInstance instance, VkDevice device,
                        const struct entry *entries, size_t count) {
    const char *missing = NULL;
    for (size_t i = 0; i < count; i++) {
        PFN_vkVoidFunction f = device ? vk->GetDeviceProcAddr(device, entries[i].name)
                                      : vk->GetInstanceProcAddr(instance, entries[i].name);
        if (!f) missing = entries[i].name;
        set_pointer(vk, entries[i].offset, &f);
    }
    return missing;
}

const char *vk_open(struct vk *vk, const apus_port *port) {
    static const char *const names[] = {"libvulkan.so.1", "libvulkan.so", "vulkan-1.dll"};
    memset(vk, 0, sizeof *vk);
    if (!port || !port->library_open || !port->library_symbol || !port->library_close)
        return "the port lends no way to open libraries";
    vk->port = *port;
    for (size_t i = 0; i < COUNT_OF(names) && !vk->library; i++)
        vk->library = port->library_open(port->user, names[i]);
    if (!vk->library)
        return "no Vulkan loader is installed (libvulkan.so.1; Debian and Ubuntu: libvulkan1)";
    void *symbol = port->library_symbol(port->user, vk->library, "vkGetInstanceProcAddr");
    set_pointer(vk, offsetof(struct vk, GetInstanceProcAddr), &symbol);
    if (symbol && !load(vk, NULL, NULL, of_loader, COUNT_OF(of_loader))) return NULL;
    vk_close(vk);
    return "the Vulkan loader lacks functions of version 1.2";
}

const char *vk_load_instance(struct vk *vk, VkInstance instance) {
    const char *missing = load(vk, instance, NULL, of_instance, COUNT_OF(of_instance));
    PFN_vkVoidFunction f =
        vk->GetInstanceProcAddr(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    set_pointer(vk, offsetof(struct vk, GetPhysicalDeviceCooperativeMatrixPropertiesKHR), &f);
    return missing;
}

const char *vk_load_device(struct vk *vk, VkDevice device) {
    const char *missing = load(vk, NULL, device, of_device, COUNT_OF(of_device));
    PFN_vkVoidFunction f = vk->GetDeviceProcAddr(device, "vkGetMemoryHostPointerPropertiesEXT");
    set_pointer(vk, offsetof(struct vk, GetMemoryHostPointerPropertiesEXT), &f);
    return missing;
}

void vk_close(struct vk *vk) {
    if (vk->library) vk->port.library_close(vk->port.user, vk->library);
    vk->library = NULL;
}

const char *vk_result_text(VkResult result) {
    switch (result) {
    case VK_TIMEOUT:
        return "VK_TIMEOUT";
    case VK_INCOMPLETE:
        return "VK_INCOMPLETE";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED:
        return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
        return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_MEMORY_MAP_FAILED:
        return "VK_ERROR_MEMORY_MAP_FAILED";
    case VK_ERROR_LAYER_NOT_PRESENT:
        return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
        return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT:
        return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
        return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS:
        return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_OUT_OF_POOL_MEMORY:
        return "VK_ERROR_OUT_OF_POOL_MEMORY";
    case VK_ERROR_INVALID_EXTERNAL_HANDLE:
        return "VK_ERROR_INVALID_EXTERNAL_HANDLE";
    default:
        return "an unknown error";
    }
}
