/* Compares npu/uapi.h with the driver's own header, if the system has one (Debian unstable's
 * linux-libc-dev does): every size, offset and number, at compile time. */
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "npu/uapi.h"

#if defined(__has_include)
#if __has_include(<drm/amdxdna_accel.h>)
#define HAVE_HEADER 1
#endif
#endif

#ifdef HAVE_HEADER
#include <drm/amdxdna_accel.h>
#include <drm/drm.h>

#define SAME_SIZE(ours, theirs) _Static_assert(sizeof(struct ours) == sizeof(struct theirs), #ours)
#define AT(ours, a, theirs, b)                                                                     \
    _Static_assert(offsetof(struct ours, a) == offsetof(struct theirs, b) &&                       \
                       sizeof(((struct ours *)0)->a) == sizeof(((struct theirs *)0)->b),           \
                   #ours "." #a)
#define REQUEST(direction, number, ours, theirs)                                                   \
    _Static_assert(UAPI_REQUEST(direction, number, struct ours) == (theirs), #theirs)
#define VALUE(ours, theirs)                                                                        \
    _Static_assert((unsigned long long)(ours) == (unsigned long long)(theirs), #ours)

SAME_SIZE(uapi_version, drm_version);
AT(uapi_version, major, drm_version, version_major);
AT(uapi_version, minor, drm_version, version_minor);
AT(uapi_version, patch, drm_version, version_patchlevel);
AT(uapi_version, name_bytes, drm_version, name_len);
AT(uapi_version, name, drm_version, name);
AT(uapi_version, date_bytes, drm_version, date_len);
AT(uapi_version, date, drm_version, date);
AT(uapi_version, description_bytes, drm_version, desc_len);
AT(uapi_version, description, drm_version, desc);
REQUEST(UAPI_BOTH, UAPI_VERSION, uapi_version, DRM_IOCTL_VERSION);

SAME_SIZE(uapi_gem_close, drm_gem_close);
AT(uapi_gem_close, handle, drm_gem_close, handle);
REQUEST(UAPI_WRITE, UAPI_GEM_CLOSE, uapi_gem_close, DRM_IOCTL_GEM_CLOSE);

SAME_SIZE(uapi_qos, amdxdna_qos_info);
AT(uapi_qos, gops, amdxdna_qos_info, gops);
AT(uapi_qos, fps, amdxdna_qos_info, fps);
AT(uapi_qos, dma_bandwidth, amdxdna_qos_info, dma_bandwidth);
AT(uapi_qos, latency, amdxdna_qos_info, latency);
AT(uapi_qos, frame_exec_time, amdxdna_qos_info, frame_exec_time);
AT(uapi_qos, priority, amdxdna_qos_info, priority);

SAME_SIZE(uapi_create_context, amdxdna_drm_create_hwctx);
AT(uapi_create_context, ext, amdxdna_drm_create_hwctx, ext);
AT(uapi_create_context, ext_flags, amdxdna_drm_create_hwctx, ext_flags);
AT(uapi_create_context, qos, amdxdna_drm_create_hwctx, qos_p);
AT(uapi_create_context, umq_buffer, amdxdna_drm_create_hwctx, umq_bo);
AT(uapi_create_context, log_buffer, amdxdna_drm_create_hwctx, log_buf_bo);
AT(uapi_create_context, max_opc, amdxdna_drm_create_hwctx, max_opc);
AT(uapi_create_context, tiles, amdxdna_drm_create_hwctx, num_tiles);
AT(uapi_create_context, mem_bytes, amdxdna_drm_create_hwctx, mem_size);
AT(uapi_create_context, umq_doorbell, amdxdna_drm_create_hwctx, umq_doorbell);
AT(uapi_create_context, handle, amdxdna_drm_create_hwctx, handle);
AT(uapi_create_context, syncobj, amdxdna_drm_create_hwctx, syncobj_handle);
REQUEST(UAPI_BOTH, UAPI_CREATE_CONTEXT, uapi_create_context, DRM_IOCTL_AMDXDNA_CREATE_HWCTX);

SAME_SIZE(uapi_destroy_context, amdxdna_drm_destroy_hwctx);
AT(uapi_destroy_context, handle, amdxdna_drm_destroy_hwctx, handle);
REQUEST(UAPI_BOTH, UAPI_DESTROY_CONTEXT, uapi_destroy_context, DRM_IOCTL_AMDXDNA_DESTROY_HWCTX);

SAME_SIZE(uapi_unit, amdxdna_cu_config);
AT(uapi_unit, buffer, amdxdna_cu_config, cu_bo);
AT(uapi_unit, function, amdxdna_cu_config, cu_func);
AT(uapi_units, count, amdxdna_hwctx_param_config_cu, num_cus);
_Static_assert(offsetof(struct uapi_units, unit) ==
                   offsetof(struct amdxdna_hwctx_param_config_cu, cu_configs),
               "units");
VALUE(UAPI_CONFIG_UNITS, DRM_AMDXDNA_HWCTX_CONFIG_CU);

SAME_SIZE(uapi_config_context, amdxdna_drm_config_hwctx);
AT(uapi_config_context, handle, amdxdna_drm_config_hwctx, handle);
AT(uapi_config_context, kind, amdxdna_drm_config_hwctx, param_type);
AT(uapi_config_context, value, amdxdna_drm_config_hwctx, param_val);
AT(uapi_config_context, value_bytes, amdxdna_drm_config_hwctx, param_val_size);
REQUEST(UAPI_BOTH, UAPI_CONFIG_CONTEXT, uapi_config_context, DRM_IOCTL_AMDXDNA_CONFIG_HWCTX);

VALUE(UAPI_BUFFER_SHARE, AMDXDNA_BO_SHARE);
VALUE(UAPI_BUFFER_HEAP, AMDXDNA_BO_DEV_HEAP);
VALUE(UAPI_BUFFER_DEVICE, AMDXDNA_BO_DEV);
VALUE(UAPI_BUFFER_COMMAND, AMDXDNA_BO_CMD);
SAME_SIZE(uapi_range, amdxdna_drm_va_entry);
AT(uapi_range, address, amdxdna_drm_va_entry, vaddr);
AT(uapi_range, bytes, amdxdna_drm_va_entry, len);
AT(uapi_ranges, dmabuf, amdxdna_drm_va_tbl, dmabuf_fd);
AT(uapi_ranges, count, amdxdna_drm_va_tbl, num_entries);
_Static_assert(offsetof(struct uapi_ranges, range) ==
                   offsetof(struct amdxdna_drm_va_tbl, va_entries),
               "ranges");
SAME_SIZE(uapi_create_buffer, amdxdna_drm_create_bo);
AT(uapi_create_buffer, flags, amdxdna_drm_create_bo, flags);
AT(uapi_create_buffer, ranges, amdxdna_drm_create_bo, vaddr);
AT(uapi_create_buffer, bytes, amdxdna_drm_create_bo, size);
AT(uapi_create_buffer, kind, amdxdna_drm_create_bo, type);
AT(uapi_create_buffer, handle, amdxdna_drm_create_bo, handle);
REQUEST(UAPI_BOTH, UAPI_CREATE_BUFFER, uapi_create_buffer, DRM_IOCTL_AMDXDNA_CREATE_BO);

VALUE(UAPI_NO_ADDRESS, AMDXDNA_INVALID_ADDR);
SAME_SIZE(uapi_buffer_info, amdxdna_drm_get_bo_info);
AT(uapi_buffer_info, ext, amdxdna_drm_get_bo_info, ext);
AT(uapi_buffer_info, ext_flags, amdxdna_drm_get_bo_info, ext_flags);
AT(uapi_buffer_info, handle, amdxdna_drm_get_bo_info, handle);
AT(uapi_buffer_info, map_offset, amdxdna_drm_get_bo_info, map_offset);
AT(uapi_buffer_info, host, amdxdna_drm_get_bo_info, vaddr);
AT(uapi_buffer_info, address, amdxdna_drm_get_bo_info, xdna_addr);
REQUEST(UAPI_BOTH, UAPI_BUFFER_INFO, uapi_buffer_info, DRM_IOCTL_AMDXDNA_GET_BO_INFO);

VALUE(UAPI_TO_DEVICE, SYNC_DIRECT_TO_DEVICE);
VALUE(UAPI_FROM_DEVICE, SYNC_DIRECT_FROM_DEVICE);
SAME_SIZE(uapi_sync_buffer, amdxdna_drm_sync_bo);
AT(uapi_sync_buffer, handle, amdxdna_drm_sync_bo, handle);
AT(uapi_sync_buffer, direction, amdxdna_drm_sync_bo, direction);
AT(uapi_sync_buffer, offset, amdxdna_drm_sync_bo, offset);
AT(uapi_sync_buffer, bytes, amdxdna_drm_sync_bo, size);
REQUEST(UAPI_BOTH, UAPI_SYNC_BUFFER, uapi_sync_buffer, DRM_IOCTL_AMDXDNA_SYNC_BO);

SAME_SIZE(uapi_execute, amdxdna_drm_exec_cmd);
AT(uapi_execute, ext, amdxdna_drm_exec_cmd, ext);
AT(uapi_execute, ext_flags, amdxdna_drm_exec_cmd, ext_flags);
AT(uapi_execute, context, amdxdna_drm_exec_cmd, hwctx);
AT(uapi_execute, type, amdxdna_drm_exec_cmd, type);
AT(uapi_execute, commands, amdxdna_drm_exec_cmd, cmd_handles);
AT(uapi_execute, buffers, amdxdna_drm_exec_cmd, args);
AT(uapi_execute, commands_count, amdxdna_drm_exec_cmd, cmd_count);
AT(uapi_execute, buffers_count, amdxdna_drm_exec_cmd, arg_count);
AT(uapi_execute, sequence, amdxdna_drm_exec_cmd, seq);
VALUE(0, AMDXDNA_CMD_SUBMIT_EXEC_BUF);
REQUEST(UAPI_BOTH, UAPI_EXECUTE, uapi_execute, DRM_IOCTL_AMDXDNA_EXEC_CMD);

SAME_SIZE(uapi_syncobj_destroy, drm_syncobj_destroy);
AT(uapi_syncobj_destroy, handle, drm_syncobj_destroy, handle);
REQUEST(UAPI_BOTH, UAPI_SYNCOBJ_DESTROY, uapi_syncobj_destroy, DRM_IOCTL_SYNCOBJ_DESTROY);

/* newer headers have a deadline behind it, for a flag that is not used here; the kernel takes both
 * lengths */
_Static_assert(sizeof(struct uapi_timeline_wait) ==
                   offsetof(struct drm_syncobj_timeline_wait, pad) + 4,
               "timeline wait");
AT(uapi_timeline_wait, handles, drm_syncobj_timeline_wait, handles);
AT(uapi_timeline_wait, points, drm_syncobj_timeline_wait, points);
AT(uapi_timeline_wait, until_ns, drm_syncobj_timeline_wait, timeout_nsec);
AT(uapi_timeline_wait, count, drm_syncobj_timeline_wait, count_handles);
AT(uapi_timeline_wait, flags, drm_syncobj_timeline_wait, flags);
VALUE(UAPI_TIMELINE_FOR_SUBMIT, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT);
VALUE(UAPI_TIMELINE_WAIT, UAPI_NUMBER(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT));

VALUE(UAPI_INFO_METADATA, DRM_AMDXDNA_QUERY_AIE_METADATA);
VALUE(UAPI_INFO_FIRMWARE, DRM_AMDXDNA_QUERY_FIRMWARE_VERSION);
SAME_SIZE(uapi_get_info, amdxdna_drm_get_info);
AT(uapi_get_info, kind, amdxdna_drm_get_info, param);
AT(uapi_get_info, bytes, amdxdna_drm_get_info, buffer_size);
AT(uapi_get_info, buffer, amdxdna_drm_get_info, buffer);
REQUEST(UAPI_BOTH, UAPI_GET_INFO, uapi_get_info, DRM_IOCTL_AMDXDNA_GET_INFO);
SAME_SIZE(uapi_tile_metadata, amdxdna_drm_query_aie_tile_metadata);
AT(uapi_tile_metadata, rows, amdxdna_drm_query_aie_tile_metadata, row_count);
AT(uapi_tile_metadata, row_start, amdxdna_drm_query_aie_tile_metadata, row_start);
AT(uapi_tile_metadata, dma_channels, amdxdna_drm_query_aie_tile_metadata, dma_channel_count);
AT(uapi_tile_metadata, locks, amdxdna_drm_query_aie_tile_metadata, lock_count);
AT(uapi_tile_metadata, events, amdxdna_drm_query_aie_tile_metadata, event_reg_count);
SAME_SIZE(uapi_metadata, amdxdna_drm_query_aie_metadata);
AT(uapi_metadata, column_bytes, amdxdna_drm_query_aie_metadata, col_size);
AT(uapi_metadata, columns, amdxdna_drm_query_aie_metadata, cols);
AT(uapi_metadata, rows, amdxdna_drm_query_aie_metadata, rows);
AT(uapi_metadata, major, amdxdna_drm_query_aie_metadata, version.major);
AT(uapi_metadata, minor, amdxdna_drm_query_aie_metadata, version.minor);
AT(uapi_metadata, core, amdxdna_drm_query_aie_metadata, core);
AT(uapi_metadata, mem, amdxdna_drm_query_aie_metadata, mem);
AT(uapi_metadata, shim, amdxdna_drm_query_aie_metadata, shim);
SAME_SIZE(uapi_firmware, amdxdna_drm_query_firmware_version);
AT(uapi_firmware, major, amdxdna_drm_query_firmware_version, major);
AT(uapi_firmware, minor, amdxdna_drm_query_firmware_version, minor);
AT(uapi_firmware, patch, amdxdna_drm_query_firmware_version, patch);
AT(uapi_firmware, build, amdxdna_drm_query_firmware_version, build);

/* The request to wait, which not every version's header has. */
#ifdef DRM_IOCTL_AMDXDNA_WAIT_CMD
SAME_SIZE(uapi_wait, amdxdna_drm_wait_cmd);
AT(uapi_wait, context, amdxdna_drm_wait_cmd, hwctx);
AT(uapi_wait, timeout_ms, amdxdna_drm_wait_cmd, timeout);
AT(uapi_wait, sequence, amdxdna_drm_wait_cmd, seq);
REQUEST(UAPI_WRITE, UAPI_WAIT, uapi_wait, DRM_IOCTL_AMDXDNA_WAIT_CMD);
#endif
#endif

int main(void) {
#ifdef HAVE_HEADER
    printf("as in drm/amdxdna_accel.h\n");
    return 0;
#else
    printf("skipped: this system has no drm/amdxdna_accel.h\n");
    return 77;
#endif
}
