/**
 * The text of a pod's /etc/resolv.conf, as kubelet writes it for the ClusterFirst policy: short names are tried in the pod's own namespace, then among all
 * services, then in the cluster. `ndots:5` sends names of up to four dots through that list first.
 */
export function resolvConf(namespace: string, nameserver: string, clusterDomain: string): string {
  const search = [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  return `search ${search.join(' ')}\nnameserver ${nameserver}\noptions ndots:5\n`;
}
