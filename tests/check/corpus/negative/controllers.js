angular
  .module("kitchen")
  .controller("OrdersCtrl", function ($scope, socket) {
    socket.on("order", show);
    $scope.$on("$destroy", () => socket.removeListener("order", show));
  })
  .controller("AppCtrl", function ($scope, socket) {
    socket.on("closed", () => ($scope.closed = true)); // there is one, around all pages
  });

angular.module("kitchen").controller("MenuCtrl", ($scope, $http, socket) => {
  $http.get("/api/dishes").success((dishes) => {
    socket.syncUpdates("dish", dishes);
  });
  $scope.$on("$destroy", () => socket.unsyncUpdates("dish"));
});
