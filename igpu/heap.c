#include "igpu/heap.h"

#include <assert.h>
#include <string.h>

static VkResult create_buffer(struct heap *heap, struct device *device, int import,
                              uint64_t bytes) {
    VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT};
    VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                               .pNext = import ? &external : NULL,
                               .size = bytes,
                               .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                        VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT,
                               .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    return device->vk.CreateBuffer(device->handle, &info, NULL, &heap->buffer);
}

static VkResult allocate(struct heap *heap, struct device *device, const void *next, uint64_t bytes,
                         uint32_t type) {
    VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                 .pNext = next,
                                 .allocationSize = bytes,
                                 .memoryTypeIndex = type};
    return device->vk.AllocateMemory(device->handle, &info, NULL, &heap->memory);
}

/* Tries every memory type that the host can access, those with the property `preferred` first. */
static VkResult allocate_any(struct heap *heap, struct device *device,
                             VkMemoryPropertyFlags preferred, const VkMemoryRequirements *need) {
    VkMemoryPropertyFlags visible =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkResult r = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < device->memory.memoryTypeCount; i++) {
            VkMemoryPropertyFlags flags = device->memory.memoryTypes[i].propertyFlags;
            if (!(need->memoryTypeBits >> i & 1) || (flags & visible) != visible) continue;
            if (pass == ((flags & preferred) == preferred)) continue;
            if (need->size >
                device->memory.memoryHeaps[device->memory.memoryTypes[i].heapIndex].size)
                continue;
            r = allocate(heap, device, NULL, need->size, i);
            if (r != VK_ERROR_OUT_OF_DEVICE_MEMORY && r != VK_ERROR_OUT_OF_HOST_MEMORY) return r;
        }
    return r;
}

VkResult heap_open(struct heap *heap, struct device *device, enum heap_use use, uint64_t bytes) {
    assert(bytes);
    VkMemoryRequirements need;
    void *map = NULL;
    memset(heap, 0, sizeof *heap);
    VkResult r = create_buffer(heap, device, 0, bytes);
    if (r) return r;
    device->vk.GetBufferMemoryRequirements(device->handle, heap->buffer, &need);
    r = allocate_any(heap, device,
                     use == HEAP_DEVICE ? VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
                                        : VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
                     &need);
    if (!r) r = device->vk.BindBufferMemory(device->handle, heap->buffer, heap->memory, 0);
    if (!r) r = device->vk.MapMemory(device->handle, heap->memory, 0, VK_WHOLE_SIZE, 0, &map);
    if (r) {
        heap_close(heap, device);
        return r;
    }
    heap->map = map;
    heap->bytes = bytes;
    memset(map, 0, bytes);
    return VK_SUCCESS;
}

VkResult heap_import(struct heap *heap, struct device *device, const void *data, uint64_t bytes) {
    assert(data && bytes && device->facts.import);
    uint64_t align = device->import_alignment, shift = (uintptr_t)data & (align - 1),
             whole = (shift + bytes + align - 1) & ~(align - 1);
    void *page = (void *)((uintptr_t)data - shift);
    VkMemoryHostPointerPropertiesEXT types = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
    VkImportMemoryHostPointerInfoEXT from = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        .pHostPointer = page};
    VkMemoryRequirements need;
    memset(heap, 0, sizeof *heap);
    VkResult r =
        device->vk.GetMemoryHostPointerPropertiesEXT(device->handle, from.handleType, page, &types);
    if (r) return r;
    r = create_buffer(heap, device, 1, whole);
    if (r) return r;
    device->vk.GetBufferMemoryRequirements(device->handle, heap->buffer, &need);
    uint32_t bits = need.memoryTypeBits & types.memoryTypeBits;
    r = VK_ERROR_INVALID_EXTERNAL_HANDLE;
    for (uint32_t i = 0; r && i < device->memory.memoryTypeCount && need.size <= whole; i++)
        if (bits >> i & 1) r = allocate(heap, device, &from, whole, i);
    if (!r) r = device->vk.BindBufferMemory(device->handle, heap->buffer, heap->memory, 0);
    if (r) heap_close(heap, device);
    heap->bytes = whole;
    heap->shift = shift;
    return r;
}

/* Freeing the memory also ends its mapping. */
void heap_close(struct heap *heap, struct device *device) {
    if (heap->buffer) device->vk.DestroyBuffer(device->handle, heap->buffer, NULL);
    if (heap->memory) device->vk.FreeMemory(device->handle, heap->memory, NULL);
    memset(heap, 0, sizeof *heap);
}
